// How master tells a child what it is: the arguments that every daemon takes.
//
//   program -n service -t type -l listeners -c config_directory [-o name=value]… [-v]… [argument]…
//
// Run by hand (no -l) a daemon serves one client on descriptor 0, as `sendmail -bs` needs it.
#pragma once

#include <string>
#include <vector>

#include "lib/base/error.h"

namespace postrider::daemon {

struct CommandLine {
  std::string service;               // name in master.cf; the program's own when run by hand
  std::string type = "unix";         // inet, unix, unix-dgram, fifo, pass
  int listeners = 0;                 // descriptors from protocol::link_descriptor + 1; 0: run by hand
  std::string config_directory;      // -c, else MAIL_CONFIG, else the built-in one
  std::vector<std::string> options;  // "name=value" of each -o
  int verbose = 0;
  std::vector<std::string> arguments;  // what follows: flags=, user=, argv= … of pipe
  bool help = false;
};

// permanent: the text says what is wrong with which argument.
Result<CommandLine> parse_command_line(int argc, const char* const* argv, std::string_view program);

// For master: the arguments that parse_command_line() reads back.
std::vector<std::string> format_command_line(const std::string& program, const CommandLine& line);

}  // namespace postrider::daemon
