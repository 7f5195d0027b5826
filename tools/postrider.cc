#include "tools/postrider.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/config/install_paths.h"
#include "lib/daemon/log_writer.h"
#include "lib/os/environment.h"
#include "lib/os/process.h"
#include "tools/installation.h"
#include "tools/instance.h"
#include "tools/prconf.h"

namespace postrider::tools {
namespace {

constexpr std::string_view actions =
    "start, start-fg, stop, abort, reload, flush, status, check, set-permissions";

constexpr const char* help_text =
    R"(usage: {0} [-c config_directory] [-Dv] command

  start            start the mail system, in the background
  start-fg         the same in the foreground, for service managers and containers
  stop             let running processes finish, then end
  abort            end at once
  reload           read main.cf and master.cf again, without losing a connection
  flush            try to deliver all queued mail now
  status           say whether it runs; the exit status is 0 when it does
  check            look for wrong owners, modes and parameters, and say how to mend them
  set-permissions  restore owners and modes as installed

  {0} start
  {0} -c /etc/postrider-out status
)";

// How long processes may take beyond stop_timeout before master is killed.
constexpr Seconds stop_margin{8};
constexpr Seconds abort_patience{8};

// To the log and to the operator, as Postfix's script does through postlog.
class Reporter {
 public:
  explicit Reporter(const Instance& instance) : log_(clock_, "postfix/postfix-script") {
    tag_ = instance.logging.syslog_name() + "/postfix-script";
    daemon::LogTarget target;
    target.file = instance.logging.maillog_file();
    target.facility = instance.logging.syslog_facility();
    target.tag = tag_;
    target.host = daemon::short_host_name();
    target.permissions =
        parse_number<unsigned>(instance.logging.maillog_file_permissions(), 8).value_or(0600) & 0777;
    opened_ = log_.open(std::move(target)).has_value();
  }
  void say(Level level, const std::string& text) {
    if (opened_) log_.write(level, text);
    fmt::print(stderr, "{}: {}{}\n", tag_, severity_prefix(level), printable(text));
  }
  void info(const std::string& text) { say(Level::info, text); }
  void warning(const std::string& text) { say(Level::warning, text); }
  int fatal(const std::string& text) {
    say(Level::fatal, text);
    return 1;
  }

 private:
  SystemClock clock_;
  daemon::LogWriter log_;
  std::string tag_;
  bool opened_ = false;
};

// Parameters with impossible values, names nobody knows, overridden entries.
std::vector<Finding> configuration_findings(const std::string& config_directory) {
  std::vector<Finding> findings;
  const Findings found = check_configuration(config_directory);
  for (const std::string& text : found.errors) findings.push_back({true, text, ""});
  for (const std::string& text : found.warnings) findings.push_back({false, text, ""});
  return findings;
}

class Command {
 public:
  Command(const PostriderRequest& request, Instance& instance)
      : request_(request), instance_(instance), report_(instance) {}

  int run();

 private:
  int start(bool foreground);
  int stop();
  int abort();
  int reload();
  int flush();
  int status();
  int check();
  int set_permissions();
  bool is_fit_to_start();
  std::size_t report_findings(const std::vector<Finding>& findings);
  int not_running() { return report_.fatal("the Postfix mail system is not running"); }
  // nullopt after a complaint when it cannot be known.
  std::optional<std::optional<pid_t>> ask_running();
  int execute(const std::string& program, std::vector<std::string> arguments);
  std::vector<std::string> environment() const;
  std::vector<std::string> master_arguments(const std::string& options) const;

  const PostriderRequest& request_;
  Instance& instance_;
  Reporter report_;
};

int Command::run() {
  const std::string& action = request_.action;
  if (!request_.arguments.empty() && action != "set-permissions") {
    return report_.fatal(fmt::format("{}: unexpected argument: {}", action, request_.arguments.front()));
  }
  if (action == "start") return start(false);
  if (action == "start-fg") return start(true);
  if (action == "stop" || action == "drain") return stop();
  if (action == "abort") return abort();
  if (action == "reload") return reload();
  if (action == "flush") return flush();
  if (action == "status") return status();
  if (action == "check") return check();
  if (action == "set-permissions") return set_permissions();
  return report_.fatal(fmt::format("unknown command: '{}'. Usage: {}", action, actions));
}

std::optional<std::optional<pid_t>> Command::ask_running() {
  const auto running = instance_.running();
  if (running) return *running;
  report_.fatal(running.error().text());
  return std::nullopt;
}

std::vector<std::string> Command::environment() const {
  std::vector<std::string> names = instance_.process.import_environment();
  names.insert(names.end(), {"NOTIFY_SOCKET", "PATH", "MAIL_CONFIG=" + instance_.config_directory()});
  return os::chosen_environment(names);
}

std::vector<std::string> Command::master_arguments(const std::string& options) const {
  std::vector<std::string> arguments = {"master", options, "-c", instance_.config_directory()};
  for (int i = 0; i < request_.verbose; ++i) arguments.emplace_back("-v");
  return arguments;
}

// Replaces this process; returns only when that failed.
int Command::execute(const std::string& program, std::vector<std::string> arguments) {
  const auto pointers = [](std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (std::string& text : texts) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
  };
  std::vector<std::string> kept = environment();
  ::execve(program.c_str(), pointers(arguments).data(), pointers(kept).data());
  return report_.fatal(Error::from_errno(errno, program).text());
}

std::size_t Command::report_findings(const std::vector<Finding>& findings) {
  std::size_t fatal = 0;
  for (const Finding& finding : findings) {
    const std::string text =
        finding.mend.empty() ? finding.text : fmt::format("{} (to mend: {})", finding.text, finding.mend);
    report_.say(finding.fatal ? Level::error : Level::warning, text);
    fatal += finding.fatal ? 1 : 0;
  }
  return fatal;
}

// Complains about everything that is wrong; false when the mail system must not start like this.
bool Command::is_fit_to_start() {
  std::size_t fatal = report_findings(configuration_findings(instance_.config_directory()));
  const auto installation = Installation::open(os::system_files(), *instance_.values, instance_.paths);
  if (!installation) {
    report_.fatal(installation.error().text());
    return false;
  }
  const auto findings = installation->inspect();
  if (!findings) {
    report_.fatal(findings.error().text());
    return false;
  }
  fatal += report_findings(*findings);
  return fatal == 0;
}

int Command::start(bool foreground) {
  const auto running = ask_running();
  if (!running) return 1;
  if (*running) return report_.fatal("the Postfix mail system is already running");
  if (!foreground && instance_.logging.maillog_file().starts_with("/dev/")) {
    return report_.fatal(
        fmt::format("to log to {} use the command start-fg", instance_.logging.maillog_file()));
  }
  {
    const auto installation = Installation::open(os::system_files(), *instance_.values, instance_.paths);
    if (!installation) return report_.fatal(installation.error().text());
    const auto made = installation->make_missing();
    if (!made) {
      return report_.fatal(
          fmt::format("unable to create missing queue directories: {}", made.error().text()));
    }
    for (const std::string& path : *made) report_.info(fmt::format("created directory {}", path));
  }
  if (!is_fit_to_start()) return report_.fatal("Postfix integrity check failed!");

  report_.info("starting the Postfix mail system");
  const std::string program = instance_.program("master");
  if (foreground) return execute(program, master_arguments(::getpid() == 1 ? "-i" : "-s"));

  os::Spawn what;
  what.program = program;
  what.arguments = master_arguments("-w");
  what.environment = environment();
  what.descriptors = {{0, 0}, {1, 1}, {2, 2}};
  what.die_with_parent = false;
  const auto pid = os::spawn(what);
  if (!pid) return report_.fatal(pid.error().text());
  const auto end = os::wait_for(*pid);
  if (!end || end->signal != 0 || end->exit_status != 0) return report_.fatal("mail system startup failed");
  return 0;
}

int Command::stop() {
  const auto running = ask_running();
  if (!running) return 1;
  if (!*running) return not_running();
  report_.info("stopping the Postfix mail system");
  if (!Instance::signal(**running, SIGTERM)) {
    return report_.fatal(Error::from_errno(errno, fmt::format("signal to process {}", **running)).text());
  }
  constexpr Seconds silence{5};
  if (instance_.wait_until_stopped(silence)) return 0;
  report_.info("waiting for the Postfix mail system to terminate");
  if (instance_.wait_until_stopped(instance_.master.stop_timeout() + stop_margin - silence)) return 0;
  report_.warning("stopping the Postfix mail system with force");
  Instance::signal(**running, SIGKILL);
  return instance_.wait_until_stopped(Seconds(5)) ? 0 : 1;
}

int Command::abort() {
  const auto running = ask_running();
  if (!running) return 1;
  if (!*running) return not_running();
  report_.info("aborting the Postfix mail system");
  if (!Instance::signal(**running, SIGINT)) {
    return report_.fatal(Error::from_errno(errno, fmt::format("signal to process {}", **running)).text());
  }
  if (instance_.wait_until_stopped(abort_patience)) return 0;
  Instance::signal(**running, SIGKILL);
  return instance_.wait_until_stopped(Seconds(5)) ? 0 : 1;
}

int Command::reload() {
  const auto running = ask_running();
  if (!running) return 1;
  if (!*running) return not_running();
  // master refuses what it cannot use and goes on; the operator should hear of it here.
  std::size_t fatal = report_findings(configuration_findings(instance_.config_directory()));
  if (fatal > 0) return report_.fatal("reload refused: the former configuration stays in force");
  report_.info("refreshing the Postfix mail system");
  if (!Instance::signal(**running, SIGHUP)) {
    return report_.fatal(Error::from_errno(errno, fmt::format("signal to process {}", **running)).text());
  }
  return 0;
}

int Command::flush() {
  const auto running = ask_running();
  if (!running) return 1;
  if (!*running) return not_running();
  const std::string program = instance_.paths.command_directory() + "/prqueue";
  return execute(program, {"prqueue", "-c", instance_.config_directory(), "-f"});
}

int Command::status() {
  const auto running = ask_running();
  if (!running) return 1;
  if (*running) {
    report_.info(fmt::format("the Postfix mail system is running: PID: {}", **running));
    return 0;
  }
  report_.info("the Postfix mail system is not running");
  return 1;
}

int Command::check() {
  if (!is_fit_to_start()) return 1;
  // What only master knows: whether the services of master.cf can be arranged.
  os::Spawn what;
  what.program = instance_.program("master");
  what.arguments = master_arguments("-t");
  what.environment = environment();
  what.descriptors = {{2, 2}};
  const auto pid = os::spawn(what);
  if (!pid) return report_.fatal(pid.error().text());
  const auto end = os::wait_for(*pid);
  return end && end->signal == 0 && end->exit_status < 2 ? 0 : 1;
}

int Command::set_permissions() {
  if (::geteuid() != 0) return report_.fatal("set-permissions is for root");
  // As Postfix takes them: name=value for this command alone.
  const auto installation = Installation::open(os::system_files(), *instance_.values, instance_.paths);
  if (!installation) return report_.fatal(installation.error().text());
  if (const auto made = installation->make_missing(); !made) return report_.fatal(made.error().text());
  const auto changed = installation->set_permissions();
  if (!changed) return report_.fatal(changed.error().text());
  for (const std::string& path : *changed) report_.info(fmt::format("restored owner and mode of {}", path));
  return 0;
}

}  // namespace

Result<PostriderRequest> parse_postrider(const std::vector<std::string>& arguments) {
  PostriderRequest request;
  if (const char* directory = std::getenv("MAIL_CONFIG")) request.config_directory = directory;
  if (request.config_directory.empty()) request.config_directory = config::install_paths().config_directory;
  std::size_t at = 1;
  for (; at < arguments.size() && arguments[at].starts_with('-') && arguments[at].size() > 1; ++at) {
    const std::string& argument = arguments[at];
    if (argument == "--help") {
      request.help = true;
      return request;
    }
    if (argument == "--") {
      ++at;
      break;
    }
    for (std::size_t i = 1; i < argument.size(); ++i) {
      if (argument[i] == 'D') {
        request.debug = true;
      } else if (argument[i] == 'v') {
        ++request.verbose;
      } else if (argument[i] == 'c') {
        request.config_directory = argument.substr(i + 1);
        if (request.config_directory.empty() && ++at < arguments.size()) {
          request.config_directory = arguments[at];
        }
        if (request.config_directory.empty()) return fail(Trouble::permanent, "option -c needs a directory");
        break;
      } else {
        return fail(Trouble::permanent, fmt::format("unknown option -{}", argument[i]));
      }
    }
  }
  if (at >= arguments.size()) return fail(Trouble::permanent, "a command is missing");
  // main.cf itself may be named, as with Postfix.
  if (request.config_directory.ends_with("/main.cf")) {
    request.config_directory.resize(request.config_directory.size() - 8);
  }
  request.config_directory = os::absolute_path(request.config_directory);
  request.action = arguments[at];
  request.arguments.assign(arguments.begin() + static_cast<std::ptrdiff_t>(at) + 1, arguments.end());
  return request;
}

int run_postrider(const std::vector<std::string>& arguments) {
  const std::string name = arguments.empty() ? "postrider" : arguments[0].substr(arguments[0].rfind('/') + 1);
  const auto request = parse_postrider(arguments);
  if (!request) {
    fmt::print(stderr, "{}: fatal: {}\nusage: {} [-c config_dir] [-Dv] command\ncommands: {}\n", name,
               request.error().text(), name, actions);
    return 1;
  }
  if (request->help) {
    fmt::print(help_text, name);
    return 0;
  }
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(022);
  const auto instance = Instance::open(os::system_files(), request->config_directory);
  if (!instance) {
    fmt::print(stderr, "{}: fatal: {}\n", name, instance.error().text());
    return 1;
  }
  return Command(*request, **instance).run();
}

}  // namespace postrider::tools
