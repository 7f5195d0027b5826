// The one skeleton of every process under master. A daemon's main reads:
//
//   int main(int argc, char** argv) {
//     smtpd::SmtpdConfig config;
//     daemon::Daemon daemon(argc, argv, smtpd::declaration);
//     if (!daemon.start({&config})) return daemon.exit_status();
//     smtpd::Server server(daemon, config);              // opens what needs privilege
//     if (!daemon.enter_sandbox()) return daemon.exit_status();
//     return daemon.serve_streams([&](os::Fd client) { return server.serve(std::move(client)); }, …);
//   }
//
// What it serves (streams, requests, triggers) is the choice of one call. The skeleton keeps the link
// to master, counts clients, ends when idle for max_idle, drains on reload, and stops on SIGTERM or
// when master is gone: then stop_token() ends every wait.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/config/common.h"
#include "lib/config/values.h"
#include "lib/daemon/command_line.h"
#include "lib/daemon/log_writer.h"
#include "lib/event/loop.h"
#include "lib/event/scope.h"
#include "lib/event/sync.h"
#include "lib/event/watch.h"
#include "lib/ipc/call.h"
#include "lib/ipc/channel.h"
#include "lib/os/files.h"
#include "lib/os/sandbox.h"

namespace postrider::daemon {

enum class RunAs {
  root,        // stays root: acts as recipients and users
  mail_owner,  // $mail_owner: owns the queue
  network,     // $network_owner, chrooted: parses strangers' bytes, owns nothing
  keys,        // $keys_owner: reads secrets
};

struct Declaration {
  std::string_view name;  // "smtpd": in the log, and $process_name
  RunAs run_as = RunAs::mail_owner;
  std::vector<os::Allow> allowed;  // system calls after enter_sandbox(); descriptors are implied
  bool stays = false;              // holds state: does not end when idle (qmgr, anvil)
  std::string_view help;           // one line for --help
};

class Daemon {
 public:
  // argv outlives the daemon.
  Daemon(int argc, char** argv, Declaration declaration);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Reads arguments and configuration, opens the log, goes to the queue directory. False: the reason
  // was logged (or --help printed), return exit_status(). The sections outlive the daemon.
  bool start(std::vector<config::Section*> sections);

  // Takes on the declared identity (when root), the chroot of network daemons, the system call filter.
  // Nothing that needs more can be opened after it.
  bool enter_sandbox();
  int exit_status() const { return exit_status_; }

  // One task for each connection, at most `limit` at a time; more wait in the listen queue and make
  // master start another process. Returns the exit status when the daemon has nothing left to do.
  int serve_streams(std::function<event::Task<>(os::Fd)> session, std::size_t limit);

  // The same for typed messages. A frame that is part of a call (lib/ipc/call.h) is given to `calls`, many
  // at a time; one that is numbered 0 begins a conversation and is given to `conversation`, which may
  // receive more, and the connection is then its own. What either throws (io::Ended) closes the
  // connection. Between requests a connection costs nothing and does not hold up a drain.
  using Calls = std::function<event::Task<>(ipc::Call, ipc::Frame)>;
  using Conversation = std::function<event::Task<>(ipc::Channel&, ipc::Frame)>;
  int serve_requests(Calls calls, Conversation conversation, std::size_t limit = 10'000);
  // For services without conversations: every frame is answered as a call.
  int serve_calls(Calls calls, std::size_t limit = 10'000);

  // Single-byte triggers by FIFO or by connection: `handler` gets the bytes of one wake-up (at least
  // one; repeats removed) and is never called twice at the same time.
  int serve_triggers(std::function<event::Task<>(std::string)> handler);

  // One more socket than master opened, before the call that serves: one task for each of its connections, as
  // with serve_streams().
  void serve_also(os::Fd listener, std::function<event::Task<>(os::Fd)> session, std::size_t limit);

  // Runs until stopped, for daemons whose work is in tasks() alone.
  int run();

  event::Loop& loop() { return loop_; }
  const Clock& clock() const { return clock_; }
  Log& log() { return log_; }
  // In a forked child: closes all descriptors but the log's and these, forgets the parent's log lines.
  void keep_only(std::vector<int> descriptors);
  os::Files& files() { return os::system_files(); }
  const config::Values& values() const { return *values_; }
  const config::Paths& paths() const { return paths_; }
  const config::Process& process() const { return process_; }
  const CommandLine& command_line() const { return command_line_; }
  const std::string& service_name() const { return command_line_.service; }
  bool under_master() const { return command_line_.listeners > 0; }
  bool as_root() const { return as_root_; }  // was started by root: identities and chroot are real

  // Tasks that live as long as the daemon: the end waits for them, after the stop token told them.
  event::TaskScope& tasks() { return tasks_; }
  event::StopToken stop_token() { return stop_.token(); }    // the process ends now
  event::StopToken drain_token() { return drain_.token(); }  // no new work; what is under way goes on
  bool draining() const { return drain_.stopped(); }
  // Ends the process in good order, for a daemon that cannot go on; master starts another.
  void fail_later(const std::string& reason);

  // Logs "fatal: …" and remembers exit status 1; for a main that found something wrong.
  int fatal(const Error& error);

 private:
  using Connection = std::function<event::Task<>(os::Fd)>;
  bool open_log();
  void log_tasks();
  Result<> become_declared();
  void listen_to_master();
  event::Task<> follow_master();
  event::Task<> accept_clients(int listener, Connection serve, std::size_t limit);
  event::Task<> serve_one(os::Fd client, Connection serve);
  event::Task<> serve_connection(os::Fd client, const Calls& calls, const Conversation& conversation);
  event::Task<> read_triggers(int listener);
  event::Task<> read_trigger_connection(os::Fd client);
  event::Task<> handle_triggers(std::function<event::Task<>(std::string)> handler);
  event::Task<> end_when_idle();
  int serve(Connection connection, std::size_t limit);
  void announce_room();
  void client_began();
  void client_ended();
  void report_status();
  void stop_now();
  void check_finished();
  int run_until_finished();

  Declaration declaration_;
  int argc_;
  char** argv_;
  SystemClock clock_;
  LogWriter log_;
  event::Loop loop_;
  // Writes the log lines of a turn at its end.
  class LogFlush final : public event::AtTurnEnd {
   public:
    LogFlush(event::Loop& loop, LogWriter& log) : AtTurnEnd(loop), log_(log) {}
    void turn_ends() override { log_.flush(); }

   private:
    LogWriter& log_;
  } log_flush_;
  event::StopSource stop_;
  event::StopSource drain_;
  CommandLine command_line_;
  std::optional<config::Values> values_;
  config::Paths paths_;
  config::Process process_;
  config::Logging logging_;
  bool as_root_ = false;
  int exit_status_ = 0;

  std::unique_ptr<ipc::Channel> master_;
  std::size_t clients_ = 0;
  std::size_t limit_ = 0;
  std::size_t served_ = 0;
  std::optional<bool> last_available_;  // as master was told; unset: not serving yet
  MonoTime idle_since_{};
  std::vector<event::Notice*> rooms_;  // one of each listener: a client left
  event::Notice quiet_;                // the last client left, or the drain began
  std::string triggers_;
  event::Notice triggered_;
  event::TaskScope tasks_;
  event::TaskScope sessions_;
};

}  // namespace postrider::daemon
