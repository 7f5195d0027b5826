#include "auth/server.h"

#include <algorithm>

#include "lib/io/ended.h"
#include "lib/os/socket.h"

namespace postrider::auth {

namespace {

// A client thinks about its next response; the servers in between have shorter patience.
constexpr Seconds patience{900};

[[noreturn]] void throw_lost(const char* why) { throw io::Ended{io::Ended::Why::lost, why}; }

}  // namespace

// Throws when the client is none of these.
void Server::require(const os::Fd& client, const std::vector<uid_t>& uids, std::string_view what) {
  const auto peer = os::peer_credentials(client);
  if (peer && std::find(uids.begin(), uids.end(), peer->uid) != uids.end()) return;
  log_.warning("a process that may not ask {} did", what);
  throw_lost("not allowed");
}

event::Task<> Server::answer(ipc::Call call, ipc::Frame frame) {
  if (auto ticket = frame.as<protocol::RedeemTicket>()) {
    require(call.socket(), callers_.starters, "about users");
    const protocol::UserRecord record = co_await redeem(std::move(*ticket));
    call.answer(record);
  } else if (const auto list = frame.as<protocol::ListMechanisms>()) {
    require(call.socket(), callers_.servers, "for logins");
    call.answer(protocol::Mechanisms{logins_.mechanisms(list->service, list->secure)});
  } else {
    throw_lost("unexpected message");
  }
}

event::Task<> Server::converse(ipc::Channel& channel, ipc::Frame frame) {
  // The end of a login that had its answer on the way already.
  if (frame.is<protocol::AuthCancel>()) co_return;
  auto start = frame.as<protocol::AuthStart>();
  if (!start) {
    co_await answer(channel, std::move(frame));
    co_return;
  }
  require(channel.socket(), callers_.servers, "for logins");
  co_await authenticate(channel, std::move(*start));
}

event::Task<> Server::authenticate(ipc::Channel& channel, protocol::AuthStart start) {
  Login login(logins_);
  protocol::AuthStep step = co_await login.start(std::move(start));
  while (step.kind == protocol::AuthStep::Kind::challenge) {
    channel.put(step);
    ipc::Frame frame = co_await channel.receive(loop_.after(patience));
    if (frame.is<protocol::AuthCancel>()) co_return;
    auto next = frame.as<protocol::AuthContinue>();
    if (!next) throw_lost("unexpected message");
    step = co_await login.next(std::move(next->response));
  }
  channel.put(step);
}

event::Task<protocol::UserRecord> Server::redeem(protocol::RedeemTicket request) {
  protocol::UserRecord record;
  const std::optional<std::string> name = logins_.tickets().redeem(request.ticket, request.service);
  if (!name) {
    log_.warning("a ticket was shown that is not good for {}", request.service);
    co_return record;
  }
  Result<std::optional<sasl::UserEntry>> found = std::nullopt;
  sasl::Authenticator& authenticator = logins_.users();
  co_await logins_.run([&] { found = authenticator.find(*name); });
  if (!found) {
    log_.warning("user {}: {}", *name, found.error().text());
    record.temporary = true;
    co_return record;
  }
  if (!*found) co_return record;
  const sasl::UserEntry user = authenticator.completed(std::move(**found));
  record.user = user.name;
  if (!user.uid || !user.gid || (*user.uid == 0 && !callers_.serve_root)) {
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
