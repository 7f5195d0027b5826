// postrider(1): starts, stops and examines the mail system. Everything is said in Postfix's words, to the
// log as <syslog_name>/postfix-script and to standard error.
#pragma once

#include <string>
#include <vector>

#include "lib/base/error.h"

namespace postrider::tools {

struct PostriderRequest {
  std::string config_directory;  // -c, else MAIL_CONFIG, else the built-in one
  bool debug = false;            // -D
  int verbose = 0;               // -v
  bool help = false;
  std::string action;  // start, start-fg, stop, …
  std::vector<std::string> arguments;
};
// permanent: a usage mistake.
Result<PostriderRequest> parse_postrider(const std::vector<std::string>& arguments);

// arguments[0] is the program's name. Returns the exit status; start-fg returns only when it fails.
int run_postrider(const std::vector<std::string>& arguments);

}  // namespace postrider::tools
