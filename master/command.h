// The program `master`: its command line, and the way from there to a running Supervisor.
#pragma once

#include <optional>
#include <string>

#include "lib/base/error.h"

namespace postrider::master {

struct Options {
  std::string config_directory;  // -c, else MAIL_CONFIG, else the built-in one
  bool keep_output = false;      // -s: standard output stays, for maillog_file=/dev/stdout
  bool keep_terminal = false;    // -d: nothing is detached at all
  bool init_mode = false;        // -i: as process 1 of a container
  bool test_lock = false;  // -t: exit status 0 when no master runs, 1 when one does, 2: bad configuration
  bool wait_for_start = false;    // -w: in the background; return when it serves
  std::optional<int> exit_after;  // -e seconds, for tests
  int verbose = 0;                // -v
  bool help = false;
};
// permanent: the text says what is wrong.
Result<Options> parse_options(int argc, const char* const* argv);

// Returns the exit status.
int run(int argc, const char* const* argv);

}  // namespace postrider::master
