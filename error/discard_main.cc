#include "error/agents.h"

int main(int argc, char** argv) {
  return postrider::error::run(argc, argv, "discard", "throws away all mail it is given",
                               postrider::error::discard_all);
}
