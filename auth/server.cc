#include "auth/server.h"

#include <algorithm>

#include "lib/io/ended.h"
#include "lib/os/socket.h"
#include "lib/tls/digest.h"

namespace postrider::auth {

namespace {

// A client thinks about its next response; the servers in between have shorter patience.
constexpr Seconds patience{900};

[[noreturn]] void throw_lost(const char* why) { throw io::Ended{io::Ended::Why::lost, why}; }

protocol::AuthStep::Kind kind_of(sasl::StepKind kind) {
  using Kind = protocol::AuthStep::Kind;
  switch (kind) {
    case sasl::StepKind::challenge: return Kind::challenge;
    case sasl::StepKind::success: return Kind::success;
    case sasl::StepKind::failure: return Kind::failure;
    case sasl::StepKind::temporary: return Kind::temporary;
    case sasl::StepKind::bad_mechanism: return Kind::bad_mechanism;
    case sasl::StepKind::malformed: return Kind::malformed;
  }
  return Kind::failure;
}

// SASL's registered service names are not those of ports.
std::string sasl_service(const std::string& service) { return service == "pop3" ? "pop" : service; }

}  // namespace

Server::Server(event::Loop& loop, Log& log, const sasl::Mechanisms& mechanisms, ServerSettings settings,
               event::StopToken stop)
    : loop_(loop),
      log_(log),
      mechanisms_(mechanisms),
      settings_(std::move(settings)),
      stop_(stop),
      penalties_(loop.clock(), settings_.failure_delay, settings_.failure_delay_limit),
      tickets_(loop.clock()),
      workers_(loop, settings_.threads) {}

bool Server::is_one_of(const ipc::Channel& channel, const std::vector<uid_t>& uids) {
  const auto peer = os::peer_credentials(channel.socket());
  return peer && std::find(uids.begin(), uids.end(), peer->uid) != uids.end();
}

// POP3 and IMAP servers ask for plaintext mechanisms only when they let them be used.
bool Server::plaintext_allowed(const std::string& service, bool secure) const {
  return secure || service != "smtp" || settings_.smtp_cleartext;
}

event::Task<> Server::handle(ipc::Channel& channel, ipc::Frame frame) {
  if (auto ticket = frame.as<protocol::RedeemTicket>()) {
    if (!is_one_of(channel, settings_.starters)) {
      log_.warning("a process that may not ask about users did");
      throw_lost("not allowed");
    }
    const protocol::UserRecord record = co_await redeem(std::move(*ticket));
    channel.put(record);
    co_return;
  }
  if (!is_one_of(channel, settings_.servers)) {
    log_.warning("a process that may not ask for logins did");
    throw_lost("not allowed");
  }
  if (const auto list = frame.as<protocol::ListMechanisms>()) {
    const bool plaintext = list->secure || (list->service == "smtp" && settings_.smtp_cleartext);
    channel.put(protocol::Mechanisms{mechanisms_.names(plaintext)});
  } else if (auto start = frame.as<protocol::AuthStart>()) {
    co_await authenticate(channel, std::move(*start));
  } else if (!frame.is<protocol::AuthCancel>()) {
    throw_lost("unexpected message");
  }
}

event::Task<sasl::StepResult> Server::run(std::function<sasl::StepResult()> step) {
  sasl::StepResult result;
  if (workers_.backlog() >= settings_.queue_limit) {
    result.kind = sasl::StepKind::temporary;
    result.reason = "too many logins at the same time";
    co_return result;
  }
  co_await workers_.run([&result, &step] { result = step(); });
  co_return result;
}

event::Task<> Server::authenticate(ipc::Channel& channel, protocol::AuthStart start) {
  const bool plaintext = plaintext_allowed(start.service, start.secure);
  auto exchange =
      sasl::Exchange::make(mechanisms_, sasl_service(start.service), start.client_address, plaintext);
  protocol::AuthStep answer;
  if (!exchange) {
    answer.kind = protocol::AuthStep::Kind::temporary;
    answer.reason = exchange.error().text();
    channel.put(answer);
    co_return;
  }
  sasl::StepResult step = co_await run(
      [&] { return (*exchange)->start(start.mechanism, start.has_initial ? &start.initial : nullptr); });
  tls::wipe(start.initial);
  while (step.kind == sasl::StepKind::challenge) {
    answer.kind = protocol::AuthStep::Kind::challenge;
    answer.data = step.data;
    channel.put(answer);
    ipc::Frame frame = co_await channel.receive(loop_.after(patience));
    if (frame.is<protocol::AuthCancel>()) co_return;
    auto next = frame.as<protocol::AuthContinue>();
    if (!next) throw_lost("unexpected message");
    step = co_await run([&] { return (*exchange)->next(next->response); });
    tls::wipe(next->response);
  }
  answer.kind = kind_of(step.kind);
  answer.data = step.data;
  answer.user = step.user;
  answer.reason = step.reason.substr(0, 512);
  if (step.kind == sasl::StepKind::success) {
    penalties_.succeeded(start.client_address);
    answer.ticket = tickets_.issue(step.user, start.service);
  } else if (step.kind == sasl::StepKind::failure || step.kind == sasl::StepKind::malformed) {
    co_await loop_.sleep(penalties_.failed(start.client_address), stop_);
  }
  channel.put(answer);
}

event::Task<protocol::UserRecord> Server::redeem(protocol::RedeemTicket request) {
  protocol::UserRecord record;
  const std::optional<std::string> name = tickets_.redeem(request.ticket, request.service);
  if (!name) {
    log_.warning("a ticket was shown that is not good for {}", request.service);
    co_return record;
  }
  Result<std::optional<sasl::UserEntry>> found = std::nullopt;
  sasl::Authenticator& authenticator = mechanisms_.authenticator();
  co_await workers_.run([&] { found = authenticator.find(*name); });
  if (!found) {
    log_.warning("user {}: {}", *name, found.error().text());
    record.temporary = true;
    co_return record;
  }
  if (!*found) co_return record;
  const sasl::UserEntry user = authenticator.completed(std::move(**found));
  record.user = user.name;
  if (!user.uid || !user.gid || (*user.uid == 0 && !settings_.serve_root)) {
    log_.warning("user {}: no uid and gid that mail can be read as; see auth_default_uid", user.name);
    record.temporary = true;
    co_return record;
  }
  record.found = true;
  record.uid = *user.uid;
  record.gid = *user.gid;
  record.home = user.home;
  record.mail = user.mail;
  co_return record;
}

}  // namespace postrider::auth
