#include "error/agents.h"

int main(int argc, char** argv) {
  return postrider::error::run(argc, argv, "error", "returns all mail it is given to its senders",
                               postrider::error::bounce_all);
}
