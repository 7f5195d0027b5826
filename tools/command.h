// What the queue commands (prqueue, prsuper, prcat, prlog) begin with: their name as called, main.cf, a log.
//
// Messages to the caller go to standard error as "<program>: fatal: …"; what administrators will want to find
// later goes to the log as well. Exit codes are those of sysexits.h.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/config/common.h"
#include "lib/config/values.h"
#include "lib/daemon/log_writer.h"

namespace postrider::tools {

class Command {
 public:
  // `name` is ours ("prqueue"), `postfix_name` the one it also answers to ("postqueue").
  Command(const char* argv0, std::string_view name, std::string_view postfix_name);

  // Reads main.cf of the directory given, or of $MAIL_CONFIG (root only) or the installed one. False: the
  // reason was printed.
  bool open(const std::string& config_directory);

  const std::string& program() const { return program_; }
  const config::Values& values() const { return *values_; }
  const config::Paths& paths() const { return paths_; }
  const config::Services& services() const { return services_; }
  const Clock& clock() const { return clock_; }
  // What stands for the program's name in the log from here on.
  void set_tag(const std::string& tag);
  Log& log() { return log_; }  // goes to the mail log once open() succeeded

  // "<program>: fatal: text" on standard error; returns `status`.
  int fatal(int status, std::string_view text) const;
  void warning(std::string_view text) const;

 private:
  std::string program_;
  std::string log_name_;
  SystemClock clock_;
  daemon::LogWriter log_;
  daemon::LogTarget target_;
  std::unique_ptr<config::Values> values_;
  config::Paths paths_;
  config::Logging logging_;
  config::Services services_;
};

// What is written of the command line before the operands: getopt(3)'s result, in order.
struct Options {
  std::vector<std::pair<char, std::string>> options;
  std::vector<std::string> operands;
  bool help = false;
};
// permanent: an unknown option, or one without its value. `letters` as for getopt(3).
Result<Options> parse_options(int argc, char** argv, const char* letters);

}  // namespace postrider::tools
