// Answers the questions of lib/protocol/keys.h. Made when everything is still allowed (it reads the
// private keys), used inside the sandbox.
//
// RSA signatures are made by threads, since each takes half a millisecond and more; ECDSA at once.
// Trust: callers are the suite's own network daemons, any of which may have been taken over by a stranger.
// They get signatures over digests and nothing else, and only if their uid may have them.
#pragma once

#include <vector>

#include <sys/types.h>

#include "keys/key_store.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/event/workers.h"
#include "lib/ipc/call.h"
#include "lib/tls/ticket_keys.h"

namespace postrider::keys {

class Server {
 public:
  // `callers`: the uids that are answered; everybody else's connection is closed.
  Server(event::Loop& loop, Log& log, KeyStore store, Seconds ticket_period, std::vector<uid_t> callers);

  // One request. Throws io::Ended for callers that are not allowed or talk nonsense.
  event::Task<> handle(ipc::Call call, ipc::Frame frame);

 private:
  protocol::Chains chains(const protocol::GetChains& request) const;
  event::Task<protocol::Signed> sign(tls::SignRequest request);
  protocol::TicketKeys tickets(const std::string& service);
  bool may_ask(const ipc::Call& call) const;

  event::Loop& loop_;
  Log& log_;
  KeyStore store_;
  tls::TicketKeyring tickets_;
  std::vector<uid_t> callers_;
  event::Workers workers_;
  std::size_t signing_ = 0;  // requests for a signature that are under way
};

}  // namespace postrider::keys
