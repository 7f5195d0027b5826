#include "pop3d/starter.h"

#include <csignal>

#include <fmt/core.h>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/mailbox/pop3_maildrop.h"
#include "lib/os/credentials.h"
#include "lib/os/process.h"
#include "lib/os/socket.h"
#include "lib/pop3/reply.h"
#include "lib/protocol/services.h"
#include "pop3d/session.h"

namespace postrider::pop3d {

using Outcome = protocol::SessionOpened::Outcome;

namespace {

protocol::SessionOpened outcome(Outcome what, std::string text) {
  protocol::SessionOpened opened;
  opened.outcome = what;
  opened.text = std::move(text);
  return opened;
}

// The child's word to the starter: one byte of Outcome, a text for the client, "\n". "" when it does not
// come.
event::Task<std::string> read_report(event::Loop& loop, int pipe_end) {
  event::Watch watch(loop, pipe_end);
  std::string report;
  while (report.size() < 1024) {
    char bytes[512];
    const ssize_t got = ::read(pipe_end, bytes, sizeof bytes);
    if (got > 0) {
      report.append(bytes, static_cast<std::size_t>(got));
      if (report.ends_with('\n')) co_return report.substr(0, report.size() - 1);
      continue;
    }
    if (got == 0 || errno != EAGAIN) break;
    const event::Woken woken = co_await watch.readable(loop.after(Seconds{55}));
    if (woken != event::Woken::ready) break;
  }
  co_return "";
}

// Waits for the starter's word to begin: without it the front may believe that there is no session, and talk
// to the client itself.
bool may_begin(int pipe_end) {
  pollfd waiting{pipe_end, POLLIN, 0};
  char word = 0;
  return ::poll(&waiting, 1, 60'000) > 0 && ::read(pipe_end, &word, 1) == 1;
}

}  // namespace

Starter::Starter(daemon::Daemon& daemon, const SessionConfig& config, const config::Services& services)
    : daemon_(daemon),
      config_(config),
      filter_(os::SystemCallFilter::make({os::Allow::files})),
      auth_(daemon.loop(), protocol::private_service(services.auth_service_name()), 4, daemon.stop_token()) {
  daemon.loop().on_signal(SIGCHLD, [] {
    while (os::reap()) {
    }
  });
}

event::Task<> Starter::answer(ipc::Call call, ipc::Frame frame) {
  std::optional<protocol::OpenSession> request = frame.as<protocol::OpenSession>();
  if (!request || !request->client) throw io::Ended{io::Ended::Why::lost, "no session request"};
  const protocol::SessionOpened opened = co_await open(std::move(*request));
  call.answer(opened);
}

event::Task<protocol::SessionOpened> Starter::open(protocol::OpenSession request) {
  protocol::RedeemTicket question;
  question.ticket = request.ticket;
  question.service = "pop3";
  Result<protocol::UserRecord> user = fail(Trouble::temporary, "");
  // A ticket is good once: not asked twice.
  try {
    user = co_await auth_.ask_once<protocol::UserRecord>(question, daemon_.loop().after(Seconds{10}),
                                                         daemon_.loop().after(Seconds{30}));
  } catch (const io::Ended& ended) {
    if (ended.why == io::Ended::Why::stopped) throw;
  }
  if (!user || user->temporary) co_return outcome(Outcome::temporary, "Users cannot be looked up now");
  if (!user->found) co_return outcome(Outcome::refused, "Authentication failed.");
  if (daemon_.as_root() && user->uid == 0) {
    daemon_.log().warning("user {}: mail of uid 0 is not served", user->user);
    co_return outcome(Outcome::refused, "Authentication failed.");
  }
  co_return co_await start(std::move(request), std::move(*user));
}

event::Task<protocol::SessionOpened> Starter::start(protocol::OpenSession request,
                                                    protocol::UserRecord user) {
  Result<std::pair<os::Fd, os::Fd>> report = os::socket_pair();
  if (!report) co_return outcome(Outcome::temporary, "Out of resources");
  const pid_t pid = ::fork();
  if (pid < 0) co_return outcome(Outcome::temporary, "Out of resources");
  if (pid == 0) {
    report->first.reset();
    run_session(std::move(request), user, std::move(report->second));
  }
  report->second.reset();
  request.client.reset();
  const std::string word = co_await read_report(daemon_.loop(), report->first.get());
  if (word.empty()) co_return outcome(Outcome::temporary, "The mailbox cannot be opened now");
  protocol::SessionOpened opened = outcome(static_cast<Outcome>(word[0] - '0'), word.substr(1));
  if (opened.outcome == Outcome::opened && ::write(report->first.get(), "\n", 1) != 1)
    co_return outcome(Outcome::temporary, "The mailbox cannot be opened now");
  opened.pid = static_cast<std::uint32_t>(pid);
  co_return opened;
}

// In the child. Nothing of the parent's loop is touched; what follows ends with _exit.
void Starter::run_session(protocol::OpenSession request, const protocol::UserRecord& user, os::Fd report) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  daemon_.keep_only({request.client.get(), report.get()});
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGCHLD, SIG_DFL);
  Log& log = daemon_.log();
  const auto tell = [&](Outcome what, std::string_view text) {
    const std::string word = fmt::format("{}{}\n", static_cast<int>(what), text);
    [[maybe_unused]] const auto written = ::write(report.get(), word.data(), word.size());
  };
  const auto give_up = [&](Outcome what, const Error& error, std::string_view text) {
    log.warning("pop3({}): {}", user.user, error.text());
    tell(what, text);
    ::_exit(1);
  };
  if (const Result<> became = os::become(user.uid, user.gid); !became)
    give_up(Outcome::temporary, became.error(), "The mailbox cannot be opened now");
  if (const Result<> quiet = os::forbid_dumps_and_privileges(); !quiet)
    give_up(Outcome::temporary, quiet.error(), "The mailbox cannot be opened now");
  const Result<> filtered = filter_ ? filter_->install() : fail(filter_.error());
  if (!filtered) log.warning("no system call filter: {}", filtered.error().text());

  const std::string& where = user.mail.empty() ? config_.mail_location() : user.mail;
  const Result<mailbox::MailLocation> location = mailbox::parse_mail_location(where, {user.user, user.home});
  if (!location) give_up(Outcome::temporary, location.error(), "The mailbox cannot be opened now");
  mailbox::Pop3Options options;
  options.uidl_format = config_.uidl_format();
  options.rename_duplicates = config_.uidl_duplicates() == "rename";
  options.reuse_xuidl = config_.reuse_xuidl();
  options.lock_timeout = config_.lock_timeout();
  Result<std::unique_ptr<mailbox::Pop3Maildrop>> maildrop =
      mailbox::Pop3Maildrop::open(os::system_files(), daemon_.clock(), log, *location, options);
  if (!maildrop)
    give_up(maildrop.error().is(Trouble::temporary) ? Outcome::in_use : Outcome::temporary, maildrop.error(),
            "The mailbox is in use or cannot be opened now");
  tell(Outcome::opened, "");
  if (!may_begin(report.get())) ::_exit(1);
  report.reset();

  event::Loop loop(daemon_.clock());
  {
    io::Stream stream(loop, std::move(request.client));
    // The front lets go of a client whose session is open.
    if (const Result<> alone = stream.wait_alone(config_.timeout()); !alone)
      log.warning("pop3({}): {}", user.user, alone.error().text());
    stream.unread(request.pipelined);
    stream.put(pop3::ok(request.greeting));
    Session session(loop, log, os::system_files(), stream, **maildrop, config_.timeout(),
                    config_.mark_seen());
    loop.run_until_done(
        session.run(fmt::format("pop3({})<{}><{}>", user.user, ::getpid(), request.session_id)));
  }
  maildrop->reset();
  ::_exit(0);
}

}  // namespace postrider::pop3d
