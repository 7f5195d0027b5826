#include "tools/command.h"

#include <cstdio>
#include <cstdlib>

#include <fmt/core.h>
#include <unistd.h>

#include "lib/config/install_paths.h"

namespace postrider::tools {

Command::Command(const char* argv0, std::string_view name, std::string_view postfix_name)
    : program_(name), log_name_(name), log_(clock_, std::string(name)) {
  const std::string_view called = argv0 ? std::string_view(argv0) : name;
  if (called.substr(called.rfind('/') + 1) == postfix_name) program_ = log_name_ = postfix_name;
}

bool Command::open(const std::string& config_directory) {
  std::string directory = config_directory;
  const char* environment = std::getenv("MAIL_CONFIG");
  // Another configuration names other programs and queues: a set-gid or set-uid caller's word is not taken.
  const bool trusted = ::getuid() == ::geteuid() && ::getgid() == ::getegid();
  if (directory.empty() && environment && trusted) directory = environment;
  if (directory.empty()) directory = config::install_paths().config_directory;
  Result<config::Values> values = config::Values::load(
      directory, {{"process_name", program_, "command"}, {"config_directory", directory, "command"}});
  if (!values) {
    fatal(78, values.error().text());
    return false;
  }
  values_ = std::make_unique<config::Values>(std::move(*values));
  if (const Result<> loaded = config::load(*values_, {&paths_, &logging_, &services_}); !loaded) {
    fatal(78, loaded.error().text());
    return false;
  }
  target_.file = logging_.maillog_file();
  target_.facility = logging_.syslog_facility();
  target_.tag = logging_.syslog_name() + "/" + log_name_;
  target_.host = daemon::short_host_name();
  // A caller who may not write the log file still gets an answer; the log line is lost.
  if (!log_.open(target_)) {
    target_.file.clear();
    static_cast<void>(log_.open(target_));
  }
  return true;
}

void Command::set_tag(const std::string& tag) {
  target_.tag = tag;
  static_cast<void>(log_.open(target_));
}

int Command::fatal(int status, std::string_view text) const {
  // Not fmt::print, which throws when standard error is closed or full.
  std::fputs(fmt::format("{}: fatal: {}\n", program_, printable(text)).c_str(), stderr);
  return status;
}

void Command::warning(std::string_view text) const {
  std::fputs(fmt::format("{}: warning: {}\n", program_, printable(text)).c_str(), stderr);
}

Result<Options> parse_options(int argc, char** argv, const char* letters) {
  Options parsed;
  for (int i = 1; i < argc; ++i)
    if (std::string_view(argv[i]) == "--help") {
      parsed.help = true;
      return parsed;
    }
  opterr = 0;
  optind = 1;
  // '+': options end at the first operand, as POSIX says.
  const std::string strict = std::string("+") + letters;
  for (int letter = 0; (letter = ::getopt(argc, argv, strict.c_str())) != -1;) {
    if (letter == '?')
      return fail(Trouble::permanent,
                  fmt::format("option -{} is unknown or lacks its value", static_cast<char>(optopt)));
    parsed.options.emplace_back(static_cast<char>(letter), optarg ? optarg : "");
  }
  for (int i = optind; i < argc; ++i) parsed.operands.emplace_back(argv[i]);
  return parsed;
}

}  // namespace postrider::tools
