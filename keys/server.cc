#include "keys/server.h"

#include <algorithm>

#include "lib/io/ended.h"
#include "lib/os/socket.h"

namespace postrider::keys {

namespace {

constexpr std::size_t threads = 2;
// Half a minute of RSA-2048 on one core: who comes later would have given up before the answer.
constexpr std::size_t max_backlog = 40'000;

}  // namespace

Server::Server(event::Loop& loop, Log& log, KeyStore store, Seconds ticket_period, std::vector<uid_t> callers)
    : loop_(loop),
      log_(log),
      store_(std::move(store)),
      tickets_(loop.clock(), ticket_period),
      callers_(std::move(callers)),
      workers_(loop, threads) {}

bool Server::may_ask(const ipc::Call& call) const {
  const auto peer = os::peer_credentials(call.socket());
  return peer && std::find(callers_.begin(), callers_.end(), peer->uid) != callers_.end();
}

event::Task<> Server::handle(ipc::Call call, ipc::Frame frame) {
  if (!may_ask(call)) {
    log_.warning("a process that may not use private keys asked for one");
    throw io::Ended{io::Ended::Why::lost, "not allowed"};
  }
  if (auto sign_request = frame.as<protocol::Sign>()) {
    const protocol::Signed reply = co_await sign(std::move(sign_request->request));
    call.answer(reply);
  } else if (const auto wanted = frame.as<protocol::GetChains>()) {
    call.answer(chains(*wanted));
  } else if (const auto asked = frame.as<protocol::GetTicketKeys>()) {
    call.answer(tickets(asked->service));
  } else {
    throw io::Ended{io::Ended::Why::lost, "unexpected message"};
  }
}

event::Task<protocol::Signed> Server::sign(tls::SignRequest request) {
  const tls::PrivateKey* key = store_.find(request.key_id);
  if (!key) co_return protocol::Signed{"", "no such private key"};
  if (workers_.backlog() > max_backlog) co_return protocol::Signed{"", "too busy"};
  Result<std::string> signature = fail(Trouble::temporary, "not signed");
  // What takes no time, and what nobody else waits behind, is done here: handing it to a thread would cost
  // more. All that came in one turn of the loop is counted before the first is decided on.
  ++signing_;
  if (request.kind != tls::SignatureKind::ecdsa) co_await loop_.yield();
  if (request.kind == tls::SignatureKind::ecdsa || signing_ == 1) {
    signature = key->sign(request);
  } else {
    co_await workers_.run([&] { signature = key->sign(request); });
  }
  --signing_;
  if (!signature) {
    log_.warning("refused a private-key operation: {}", signature.error().text());
    co_return protocol::Signed{"", signature.error().text()};
  }
  co_return protocol::Signed{std::move(*signature), ""};
}

protocol::Chains Server::chains(const protocol::GetChains& request) const {
  protocol::Chains reply;
  for (const protocol::GetChains::File& file : request.files) {
    const auto found = store_.chains(file);
    if (!found) return {{}, found.error().text()};
    reply.chains.insert(reply.chains.end(), found->begin(), found->end());
  }
  if (reply.chains.empty()) reply.trouble = "no certificate file is named";
  return reply;
}

protocol::TicketKeys Server::tickets(const std::string& service) {
  protocol::TicketKeys reply;
  for (const tls::TicketKey& key : tickets_.keys_for(service)) {
    const auto text = [](const auto& bytes) { return std::string(bytes.begin(), bytes.end()); };
    reply.keys.push_back({text(key.name), text(key.cipher), text(key.mac)});
  }
  reply.renew = tickets_.until_renewal();
  return reply;
}

}  // namespace postrider::keys
