// postrider(1), also called postfix: starts, stops and examines the mail system.
#include "lib/os/process.h"
#include "tools/postrider.h"

int main(int argc, char** argv) {
  postrider::os::open_standard_streams();
  return postrider::tools::run_postrider({argv, argv + argc});
}
