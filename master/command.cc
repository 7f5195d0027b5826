#include "master/command.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/config/install_paths.h"
#include "lib/daemon/instance_lock.h"
#include "lib/daemon/log_writer.h"
#include "lib/os/credentials.h"
#include "master/supervisor.h"

namespace postrider::master {
namespace {

constexpr const char* usage =
    "usage: master [-c config_directory] [-d] [-e exit_time] [-i] [-s] [-t] [-v] [-w]\n"
    "Starts and supervises the daemons of the mail system; see master(8). Use `postrider start`.\n";

std::string pid_file(const Configuration& configuration) {
  return fmt::format("{}/{}/master.pid", configuration.paths.queue_directory(),
                     configuration.master.process_id_directory());
}

// What the operator at the terminal sees as well, until there is nobody at the terminal.
class StartLog {
 public:
  StartLog(const Clock& clock) : log_(clock, "postrider/master") {}

  daemon::LogWriter& log() { return log_; }
  Result<> open(const Configuration& configuration) {
    daemon::LogTarget target;
    target.file = configuration.logging.maillog_file();
    target.facility = configuration.logging.syslog_facility();
    target.tag = configuration.logging.syslog_name() + "/master";
    target.host = daemon::short_host_name();
    target.permissions =
        parse_number<unsigned>(configuration.logging.maillog_file_permissions(), 8).value_or(0600) & 0777;
    auto opened = log_.open(std::move(target));
    also_to_terminal_ = opened.has_value() && configuration.logging.maillog_file() != "/dev/stdout";
    return opened;
  }
  int fatal(const Error& error) {
    log_.fatal("{}", error.text());
    if (also_to_terminal_) fmt::print(stderr, "master: fatal: {}\n", printable(error.text()));
    return 1;
  }

 private:
  daemon::LogWriter log_;
  bool also_to_terminal_ = false;
};

// -w: the caller's process waits here for one byte from the one that goes on, or for its end.
// Returns the write end in the process that goes on; does not return in the other.
Result<os::Fd> continue_in_background() {
  auto ends = os::pipe();
  if (!ends) return fail(ends.error());
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("fork");
  if (pid == 0) return std::move(ends->second);
  ends->second.reset();
  char byte = 0;
  const auto got = os::system_files().read(ends->first.get(), std::span(&byte, 1));
  ::_exit(got && *got == 1 ? 0 : 1);
}

// Descriptors the caller left open end here; 0 to 2 become /dev/null unless they are wanted.
void detach(const Options& options) {
  if (options.keep_terminal) return;
  const os::Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return;
  ::dup2(null.get(), 0);
  if (!options.keep_output && !options.init_mode) {
    ::dup2(null.get(), 1);
    ::dup2(null.get(), 2);
  }
}

void raise_limits() {
  for (const auto what : {RLIMIT_FSIZE, RLIMIT_NOFILE}) {
    rlimit limit{};
    if (::getrlimit(what, &limit) < 0) continue;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(what, &limit);
  }
}

// 0 when no master holds the lock, 1 when one does; Postfix's scripts ask this way. (2: bad configuration.)
int test_lock(StartLog& start, const Configuration& configuration) {
  const auto locked = daemon::is_locked(os::system_files(), pid_file(configuration));
  if (!locked) return start.fatal(locked.error());
  return *locked ? 1 : 0;
}

void say_who_we_are(Log& log) {
  if (os::running_as_root()) return;
  const auto user = os::find_user(::geteuid());
  const std::string name = user && *user ? (*user)->name : "unknown";
  log.info(
      "not started by root: every process runs as {} (uid {}), without chroot and with no other identity",
      name, ::geteuid());
}

// With the lock held and in the queue directory.
int serve(const Options& options, StartLog& start, std::unique_ptr<const Configuration> configuration,
          daemon::InstanceLock& lock, os::Fd ready) {
  SystemClock clock;
  event::Loop loop(clock);
  Supervisor supervisor({.loop = loop,
                         .log = start.log(),
                         .files = os::system_files(),
                         .reopen_log =
                             [&start](const Configuration& latest) {
                               if (auto opened = start.open(latest); !opened) {
                                 start.log().error("{}", opened.error().text());
                               }
                             },
                         .keep_output = options.keep_output || options.keep_terminal || options.init_mode,
                         .verbose = options.verbose},
                        system_names());
  say_who_we_are(start.log());
  if (auto started = supervisor.start(std::move(configuration)); !started) {
    return start.fatal(started.error());
  }
  if (auto written = lock.write_pid(os::system_files()); !written) return start.fatal(written.error());
  if (ready) (void)os::system_files().write(ready.get(), "1");
  ready.reset();
  detach(options);
  event::TaskScope timer(loop);
  if (options.exit_after) {
    const auto end = [](event::Loop& on, Supervisor& of, Seconds after) -> event::Task<> {
      co_await on.sleep(after);
      of.stop(SIGTERM);
    };
    timer.spawn(end(loop, supervisor, Seconds(*options.exit_after)));
  }
  loop.run();
  return 0;
}

}  // namespace

Result<Options> parse_options(int argc, const char* const* argv) {
  Options options;
  if (const char* directory = std::getenv("MAIL_CONFIG")) options.config_directory = directory;
  if (options.config_directory.empty()) options.config_directory = config::install_paths().config_directory;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      options.help = true;
      continue;
    }
    if (argument == "-c" || argument == "-e") {
      if (++i == argc) return fail(Trouble::permanent, fmt::format("option {} needs a value", argument));
      if (argument == "-c") {
        options.config_directory = argv[i];
        continue;
      }
      options.exit_after = parse_number<int>(argv[i]);
      if (!options.exit_after || *options.exit_after < 0) {
        return fail(Trouble::permanent, fmt::format("option -e: \"{}\" is no number of seconds", argv[i]));
      }
      continue;
    }
    if (argument.size() < 2 || argument[0] != '-') {
      return fail(Trouble::permanent, fmt::format("unexpected argument {}", argument));
    }
    for (const char letter : argument.substr(1)) {
      switch (letter) {
        case 'd': options.keep_terminal = true; break;
        case 'i': options.init_mode = true; break;
        case 's': options.keep_output = true; break;
        case 't': options.test_lock = true; break;
        case 'v': ++options.verbose; break;
        case 'w': options.wait_for_start = true; break;
        default: return fail(Trouble::permanent, fmt::format("unknown option -{}", letter));
      }
    }
  }
  options.config_directory = os::absolute_path(options.config_directory);
  if (options.init_mode && ::getpid() != 1) {
    return fail(Trouble::permanent, "option -i is only for process 1");
  }
  if (options.wait_for_start && (options.init_mode || options.keep_output)) {
    return fail(Trouble::permanent, "option -w does not go with -i or -s");
  }
  return options;
}

int run(int argc, const char* const* argv) {
  SystemClock clock;
  StartLog start(clock);
  const auto options = parse_options(argc, argv);
  if (!options) {
    fmt::print(stderr, "master: fatal: {}\n{}", options.error().text(), usage);
    return 1;
  }
  if (options->help) {
    fmt::print("{}", usage);
    return 0;
  }
  // Descriptors 0 to 2 that the caller closed must not become a socket or the lock.
  while (true) {
    const int fd = ::open("/dev/null", O_RDWR);
    if (fd < 0 || fd > 2) {
      if (fd > 2) ::close(fd);
      break;
    }
  }
  ::umask(077);
  ::signal(SIGPIPE, SIG_IGN);
  start.log().set_verbose(options->verbose > 0);

  auto configuration = Configuration::load(os::system_files(), options->config_directory, system_names());
  if (!configuration) {
    const int status = start.fatal(configuration.error());
    return options->test_lock ? 2 : status;
  }
  if (options->test_lock) return test_lock(start, **configuration);
  if (auto opened = start.open(**configuration); !opened) return start.fatal(opened.error());

  os::Fd ready;
  if (options->wait_for_start) {
    auto end = continue_in_background();
    if (!end) return start.fatal(end.error());
    ready = std::move(*end);
  }
  // A session of its own, so that nothing at the terminal reaches it; not for one that serves there.
  if (!options->keep_terminal && !options->keep_output && !options->init_mode) (void)::setsid();
  raise_limits();

  const std::string& queue = (*configuration)->paths.queue_directory();
  if (::chdir(queue.c_str()) < 0) {
    return start.fatal(Error::from_errno(errno, fmt::format("queue_directory {}", queue)));
  }
  auto lock = daemon::InstanceLock::take(os::system_files(), pid_file(**configuration));
  if (!lock) return start.fatal(lock.error());
  // Two queues must not share their caches either.
  const auto data_lock = daemon::InstanceLock::take(
      os::system_files(), (*configuration)->paths.data_directory() + "/master.lock");
  if (!data_lock) return start.fatal(data_lock.error());
  return serve(*options, start, std::move(*configuration), *lock, std::move(ready));
}

}  // namespace postrider::master
