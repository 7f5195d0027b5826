#include "auth/dovecot_session.h"

#include <sys/socket.h>
#include <unistd.h>

#include "lib/io/ended.h"
#include "lib/tls/digest.h"

namespace postrider::auth {

namespace {

constexpr Seconds write_timeout{60};

}  // namespace

DovecotSession::DovecotSession(event::Loop& loop, Logins& logins, os::Fd client, std::uint32_t connection_id,
                               event::StopToken stop)
    : loop_(loop),
      logins_(logins),
      connection_id_(connection_id),
      stop_(stop),
      input_(loop, client.duplicate(), stop),
      output_(loop, std::move(client), closing_.token()),
      pending_(loop),
      tasks_(loop) {}

event::Task<> DovecotSession::run() {
  // At once, not after the client's VERSION: some clients read first (Exim), others write first (Postfix).
  output_.put(dovecot_greeting(logins_.mechanisms("smtp", true), static_cast<std::uint32_t>(::getpid()),
                               connection_id_, hex_encode(tls::random_bytes(16))));
  pending_.notify();
  tasks_.spawn(write_answers());
  try {
    co_await read_commands();
  } catch (const io::Ended&) {
    // The client went, or we are to stop.
  }
  waiting_.clear();
  closing_.stop();
  co_await tasks_.join();
}

event::Task<> DovecotSession::read_commands() {
  while (true) {
    const io::Line line = co_await input_.read_line(max_dovecot_line, no_deadline);
    if (line.too_long) co_return;
    std::optional<DovecotCommand> command = parse_dovecot_line(line.text);
    if (!command || !obey(std::move(*command))) co_return;
  }
}

// False: the client does not follow the protocol.
bool DovecotSession::obey(DovecotCommand command) {
  using Kind = DovecotCommand::Kind;
  switch (command.kind) {
    case Kind::version: greeted_ = command.id == 1; return greeted_;
    case Kind::cpid: return greeted_;
    case Kind::cancel: waiting_.erase(command.id); return true;
    case Kind::auth: {
      if (!greeted_ || waiting_.contains(command.id) || tasks_.size() + waiting_.size() > max_logins)
        return false;
      const std::uint32_t id = command.id;
      tasks_.spawn(work(id, std::make_shared<Login>(logins_), std::move(command)));
      return true;
    }
    case Kind::cont: {
      const auto found = waiting_.find(command.id);
      if (found == waiting_.end()) return true;  // cancelled, or over already
      std::shared_ptr<Login> login = std::move(found->second);
      waiting_.erase(found);
      const std::uint32_t id = command.id;
      tasks_.spawn(work(id, std::move(login), std::move(command)));
      return true;
    }
  }
  return false;
}

event::Task<> DovecotSession::work(std::uint32_t id, std::shared_ptr<Login> login, DovecotCommand command) {
  protocol::AuthStep step;
  if (command.kind == DovecotCommand::Kind::auth) {
    step = co_await login->start(std::move(command.start));
  } else {
    step = co_await login->next(std::move(command.response));
  }
  if (closing_.stopped()) co_return;
  if (step.kind == protocol::AuthStep::Kind::challenge) waiting_[id] = std::move(login);
  output_.put(dovecot_answer(id, step));
  pending_.notify();
}

event::Task<> DovecotSession::write_answers() {
  try {
    while (true) {
      const event::Woken woken = co_await pending_.wait(no_deadline, closing_.token());
      if (woken == event::Woken::stopped) co_return;
      co_await output_.flush(loop_.after(write_timeout));
    }
  } catch (const io::Ended&) {
    ::shutdown(input_.socket().get(), SHUT_RDWR);  // the reader ends with it
  }
}

}  // namespace postrider::auth
