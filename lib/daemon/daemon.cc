#include "lib/daemon/daemon.h"

#include <csignal>
#include <cstdio>
#include <exception>
#include <system_error>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/text.h"
#include "lib/os/credentials.h"
#include "lib/os/process.h"
#include "lib/os/socket.h"
#include "lib/protocol/master.h"
#include "lib/protocol/services.h"

namespace postrider::daemon {

namespace {

// How long sessions get to say goodbye once the process was told to stop.
constexpr Seconds goodbye_time{10};

const char* run_as_parameter(RunAs run_as) {
  switch (run_as) {
    case RunAs::mail_owner: return "mail_owner";
    case RunAs::network: return "network_owner";
    case RunAs::keys: return "keys_owner";
    case RunAs::root: break;
  }
  return "";
}

// The log of this process, for end_with_a_word(): a handler of the language is given nothing.
Log* last_words = nullptr;

// When the system has no thread or no watch for what a process is made of, nobody is there yet to catch it.
[[noreturn]] void end_with_a_word() {
  try {
    if (const std::exception_ptr thrown = std::current_exception()) std::rethrow_exception(thrown);
  } catch (const event::NoRoomToWatch& lack) {
    if (last_words) last_words->fatal("{}", lack.what());
    ::_exit(1);
  } catch (const std::system_error& lack) {
    if (last_words) last_words->fatal("{}", lack.what());
    ::_exit(1);
  } catch (...) {
    std::abort();
  }
  std::abort();
}

// The clock, for the first member that may throw.
const Clock& with_last_words(const Clock& clock, Log& log) {
  last_words = &log;
  std::set_terminate(end_with_a_word);
  return clock;
}

}  // namespace

Daemon::Daemon(int argc, char** argv, Declaration declaration)
    : declaration_(std::move(declaration)),
      argc_(argc),
      argv_(argv),
      log_(clock_, "postrider/" + std::string(declaration_.name)),
      loop_(with_last_words(clock_, log_)),
      log_flush_(loop_, log_),
      quiet_(loop_),
      triggered_(loop_),
      tasks_(loop_),
      sessions_(loop_) {}

Daemon::~Daemon() {
  log_.stop_gathering();
  last_words = nullptr;
}

int Daemon::fatal(const Error& error) {
  log_.fatal("{}", error.text());
  exit_status_ = 1;
  return exit_status_;
}

void Daemon::fail_later(const std::string& reason) {
  log_.fatal("{}", reason);
  exit_status_ = 1;
  stop_now();
}

bool Daemon::start(std::vector<config::Section*> sections) {
  Result<CommandLine> line = parse_command_line(argc_, argv_, declaration_.name);
  if (!line) {
    fatal(line.error());
    return false;
  }
  command_line_ = std::move(*line);
  if (command_line_.help) {
    fmt::print("{}: {}\nStarted by master; see master(8) and {}(8).\n", declaration_.name, declaration_.help,
               declaration_.name);
    return false;
  }
  std::vector<config::Override> overrides;
  const auto set = [&](std::string name, std::string value) {
    overrides.push_back({std::move(name), std::move(value), "process"});
  };
  set("process_name", std::string(declaration_.name));
  set("service_name", command_line_.service);
  for (const std::string& option : command_line_.options) {
    const std::size_t equals = option.find('=');
    if (equals == std::string::npos || equals == 0) {
      fatal(Error(Trouble::configuration, "option -o " + option + ": expected name=value"));
      return false;
    }
    overrides.push_back(
        {option.substr(0, equals), option.substr(equals + 1), "master.cf, service " + command_line_.service});
  }
  Result<config::Values> values = config::Values::load(command_line_.config_directory, std::move(overrides));
  if (!values) {
    fatal(values.error());
    return false;
  }
  values_.emplace(std::move(*values));
  sections.insert(sections.end(), {&paths_, &process_, &logging_});
  if (const Result<> loaded = config::load(*values_, sections); !loaded) {
    fatal(loaded.error());
    return false;
  }
  as_root_ = os::running_as_root();
  log_.set_verbose(command_line_.verbose > 0);
  if (!open_log()) return false;
  if (::chdir(paths_.queue_directory().c_str()) != 0) {
    fatal(Error::from_errno(errno, "queue_directory " + paths_.queue_directory()));
    return false;
  }
  // Thousands of clients need as many descriptors as the administrator allows.
  rlimit descriptors{};
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
    descriptors.rlim_cur = descriptors.rlim_max;
    static_cast<void>(::setrlimit(RLIMIT_NOFILE, &descriptors));
  }
  ::umask(077);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  loop_.on_signal(SIGTERM, [this] { stop_now(); });
#ifdef POSTRIDER_TASK_TREE
  loop_.on_signal(SIGUSR2, [this] { log_tasks(); });
#endif
  if (under_master()) listen_to_master();
  return true;
}

void Daemon::log_tasks() {
  const std::string tree = event::task_tree();
  for (std::string_view rest = tree; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    log_.info("task: {}", rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
}

bool Daemon::open_log() {
  LogTarget target;
  target.file = logging_.maillog_file();
  target.facility = logging_.syslog_facility();
  target.tag = logging_.syslog_name() + "/" + std::string(declaration_.name);
  target.host = short_host_name();
  target.permissions = parse_number<unsigned>(logging_.maillog_file_permissions(), 8).value_or(0600) & 0777;
  if (const Result<> opened = log_.open(std::move(target)); !opened) {
    fatal(opened.error());
    return false;
  }
  return true;
}

Result<> Daemon::become_declared() {
  if (declaration_.run_as == RunAs::root || !as_root_) return {};
  const std::string parameter = run_as_parameter(declaration_.run_as);
  const std::string& name = declaration_.run_as == RunAs::network ? paths_.network_owner()
                            : declaration_.run_as == RunAs::keys  ? paths_.keys_owner()
                                                                  : paths_.mail_owner();
  const Result<std::optional<os::User>> user = os::find_user(name);
  if (!user) return std::unexpected(user.error());
  if (!*user)
    return fail(
        Trouble::configuration,
        fmt::format("parameter {}: there is no user \"{}\"; create it or name another", parameter, name));
  if (declaration_.run_as == RunAs::network) {
    const Result<> inside =
        os::enter_chroot(paths_.queue_directory() + "/" + std::string(protocol::network_root));
    if (!inside) return inside;
  }
  return os::become((*user)->uid, (*user)->gid);
}

bool Daemon::enter_sandbox() {
  if (const Result<> became = become_declared(); !became) {
    fatal(became.error());
    return false;
  }
  if (declaration_.run_as != RunAs::root) {
    if (const Result<> forbidden = os::forbid_dumps_and_privileges(); !forbidden) {
      fatal(forbidden.error());
      return false;
    }
    if (const Result<> restricted = os::restrict_system_calls(declaration_.allowed); !restricted)
      log_.warning("no system call filter: {}", restricted.error().text());
  }
  return true;
}

void Daemon::keep_only(std::vector<int> descriptors) {
  log_.forked();
  descriptors.push_back(log_.descriptor());
  os::close_all_but(std::move(descriptors));
}

// ---- the link to master

void Daemon::listen_to_master() {
  ::fcntl(protocol::link_descriptor, F_SETFD, FD_CLOEXEC);
  ::fcntl(protocol::link_descriptor, F_SETFL, O_NONBLOCK);
  master_ = std::make_unique<ipc::Channel>(loop_, os::Fd(protocol::link_descriptor), stop_.token());
  for (int i = 0; i < command_line_.listeners; ++i) {
    const int listener = protocol::link_descriptor + 1 + i;
    ::fcntl(listener, F_SETFD, FD_CLOEXEC);
    ::fcntl(listener, F_SETFL, ::fcntl(listener, F_GETFL) | O_NONBLOCK);
  }
  tasks_.spawn(follow_master());
}

event::Task<> Daemon::follow_master() {
  try {
    while (true) {
      ipc::Frame frame = co_await master_->receive(no_deadline);
      if (frame.as<protocol::Drain>() && !drain_.stopped()) {
        drain_.stop();
        quiet_.notify();
        announce_room();
      }
    }
  } catch (const io::Ended& ended) {
    if (ended.why == io::Ended::Why::lost) log_.debug("master is gone");
  }
  stop_now();
}

void Daemon::report_status() {
  const bool available = clients_ < limit_ && !drain_.stopped();
  if (!master_ || available == last_available_) return;
  last_available_ = available;
  master_->put(protocol::ChildStatus{available, static_cast<std::uint32_t>(clients_)});
  master_->post();
}

void Daemon::stop_now() {
  if (stop_.stopped()) return;
  drain_.stop();
  stop_.stop();
  quiet_.notify();
}

// ---- clients

void Daemon::client_began() {
  ++clients_;
  ++served_;
  report_status();
}

void Daemon::client_ended() {
  --clients_;
  idle_since_ = loop_.now();
  announce_room();
  if (clients_ == 0) quiet_.notify();
  report_status();
}

event::Task<> Daemon::serve_one(os::Fd client, Connection serve) {
  client_began();
  try {
    co_await serve(std::move(client));
  } catch (const io::Ended&) {
    // The session had nothing to say about it.
  } catch (const event::NoRoomToWatch& refused) {
    log_.warning("client turned away: {}", refused.what());
  }
  client_ended();
}

// A notice has one waiter, and each listener waits by itself.
void Daemon::announce_room() {
  for (event::Notice* room : rooms_) room->notify();
}

event::Task<> Daemon::accept_clients(int listener, Connection serve, std::size_t limit) {
  os::Fd socket(listener);
  event::Watch watch(loop_, listener);
  event::Notice room(loop_);
  struct Listed {
    std::vector<event::Notice*>& rooms;
    event::Notice* room;
    ~Listed() { std::erase(rooms, room); }
  };
  rooms_.push_back(&room);
  const Listed listed{rooms_, &room};
  while (!drain_.stopped()) {
    if (clients_ >= limit) {
      co_await room.wait(no_deadline, drain_.token());
      continue;
    }
    Result<os::Fd> client = os::accept(socket);
    if (client && *client) {
      sessions_.spawn(serve_one(std::move(*client), serve));
      continue;
    }
    if (!client) {
      // Out of descriptors: the client stays in the listen queue meanwhile.
      log_.warning("accept: {}", client.error().text());
      co_await loop_.sleep(Milliseconds{200}, drain_.token());
      continue;
    }
    co_await watch.readable(no_deadline, drain_.token());
  }
}

event::Task<> Daemon::end_when_idle() {
  const Microseconds patience = process_.max_idle();
  idle_since_ = loop_.now();
  while (!stop_.stopped()) {
    if (clients_ == 0 && (drain_.stopped() ||
                          (!declaration_.stays && under_master() && loop_.now() - idle_since_ >= patience)))
      break;
    const bool waits = clients_ == 0 && !declaration_.stays && under_master();
    co_await quiet_.wait(waits ? idle_since_ + patience : no_deadline, stop_.token());
  }
  stop_now();
}

int Daemon::serve(Connection connection, std::size_t limit) {
  limit_ = limit;
  if (under_master()) {
    for (int i = 0; i < command_line_.listeners; ++i)
      tasks_.spawn(accept_clients(protocol::link_descriptor + 1 + i, connection, limit));
  } else {
    // Run by hand: the one client is standard input, and its end is ours.
    const auto once = [](Daemon& self, Connection serve_it) -> event::Task<> {
      co_await self.serve_one(os::Fd(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)), serve_it);
      self.stop_now();
    };
    ::fcntl(STDIN_FILENO, F_SETFL, ::fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
    sessions_.spawn(once(*this, connection));
  }
  tasks_.spawn(end_when_idle());
  return run_until_finished();
}

int Daemon::serve_streams(std::function<event::Task<>(os::Fd)> session, std::size_t limit) {
  return serve(std::move(session), limit);
}

void Daemon::serve_also(os::Fd listener, std::function<event::Task<>(os::Fd)> session, std::size_t limit) {
  tasks_.spawn(accept_clients(listener.release(), std::move(session), limit));
}

// ---- triggers

event::Task<> Daemon::read_trigger_connection(os::Fd client) {
  event::Watch watch(loop_, client.get());
  char bytes[64];
  while (true) {
    const ssize_t got = ::read(client.get(), bytes, sizeof bytes);
    if (got > 0) {
      triggers_.append(bytes, static_cast<std::size_t>(got));
      triggered_.notify();
      continue;
    }
    if (got == 0 || errno != EAGAIN) co_return;
    const event::Woken woken = co_await watch.readable(loop_.after(Seconds{10}), drain_.token());
    if (woken != event::Woken::ready) co_return;
  }
}

event::Task<> Daemon::read_triggers(int listener) {
  if (command_line_.type != "fifo") {
    co_await accept_clients(
        listener, [this](os::Fd client) { return read_trigger_connection(std::move(client)); }, 100);
    co_return;
  }
  const os::Fd fifo(listener);
  event::Watch watch(loop_, listener);
  while (!drain_.stopped()) {
    char bytes[512];
    const ssize_t got = ::read(listener, bytes, sizeof bytes);
    if (got > 0) {
      triggers_.append(bytes, static_cast<std::size_t>(got));
      triggered_.notify();
    }
    co_await watch.readable(no_deadline, drain_.token());
  }
}

event::Task<> Daemon::handle_triggers(std::function<event::Task<>(std::string)> handler) {
  while (!drain_.stopped()) {
    const event::Woken woken = co_await triggered_.wait(no_deadline, drain_.token());
    if (woken != event::Woken::ready) break;
    std::string kinds;
    for (const char kind : std::exchange(triggers_, {}))
      if (kinds.find(kind) == std::string::npos) kinds += kind;
    if (kinds.empty()) continue;
    client_began();
    co_await handler(std::move(kinds));
    client_ended();
  }
}

int Daemon::serve_triggers(std::function<event::Task<>(std::string)> handler) {
  limit_ = 1'000;
  for (int i = 0; i < command_line_.listeners; ++i)
    tasks_.spawn(read_triggers(protocol::link_descriptor + 1 + i));
  tasks_.spawn(handle_triggers(std::move(handler)));
  tasks_.spawn(end_when_idle());
  return run_until_finished();
}

int Daemon::run() {
  limit_ = 1;
  tasks_.spawn(end_when_idle());
  return run_until_finished();
}

// Until stopped; then as long as goodbye_time for the sessions and tasks to notice.
int Daemon::run_until_finished() {
  // The first report tells master that start-up went well.
  report_status();
  log_.gather([this] { log_flush_.arm(); });
  const auto finish = [](Daemon& self) -> event::Task<> {
    event::Wait stopped(self.loop_, no_deadline, self.stop_.token());
    co_await stopped;
    co_await self.loop_.yield();
    co_await self.sessions_.join();
    co_await self.tasks_.join();
    self.loop_.stop();
  };
  const auto give_up = [](Daemon& self) -> event::Task<> {
    event::Wait stopped(self.loop_, no_deadline, self.stop_.token());
    co_await stopped;
    co_await self.loop_.sleep(goodbye_time);
    self.loop_.stop();
  };
  event::Task<> finishing = finish(*this);
  event::Task<> patience = give_up(*this);
  finishing.start();
  patience.start();
  loop_.run();
  return exit_status_;
}

}  // namespace postrider::daemon
