// prmap(1), also called postmap: builds and asks lookup tables.
#include "lib/os/process.h"
#include "tools/map_command.h"

using namespace postrider;

int main(int argc, char** argv) {
  os::open_standard_streams();
  const std::vector<std::string> arguments(argv, argv + argc);
  const std::string name = arguments.empty() ? "prmap" : arguments[0].substr(arguments[0].rfind('/') + 1);
  tools::TerminalLog log(name, 2);
  return tools::run_map_command(arguments, tools::MapKind::map, {.in = 0, .out = 1, .log = log});
}
