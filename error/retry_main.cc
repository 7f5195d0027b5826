#include "error/agents.h"

int main(int argc, char** argv) {
  return postrider::error::run(argc, argv, "retry", "defers all mail it is given",
                               postrider::error::defer_all);
}
