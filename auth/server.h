// Answers the questions of lib/protocol/auth.h: mechanisms, exchanges, and who a ticket belongs to.
//
// Everything that takes time (password hashes, databases) runs on worker threads, a bounded number of
// requests at a time. Trust: callers are daemons that strangers talk to; they get the outcome of
// exchanges that they relay, and only root's processes learn more of a user than the name.
#pragma once

#include <vector>

#include <sys/types.h>

#include "auth/penalties.h"
#include "auth/tickets.h"
#include "lib/base/log.h"
#include "lib/event/workers.h"
#include "lib/ipc/channel.h"
#include "lib/protocol/auth.h"
#include "lib/sasl/server.h"

namespace postrider::auth {

struct ServerSettings {
  std::size_t threads = 4;
  std::size_t queue_limit = 500;
  Microseconds failure_delay{0}, failure_delay_limit{0};
  bool smtp_cleartext = true;  // SMTP may use PLAIN and LOGIN without TLS (it decides itself whether it does)
  bool serve_root = false;     // users of uid 0 may have a mailbox: when nobody here is root
  std::vector<uid_t> servers;  // may relay exchanges
  std::vector<uid_t> starters;  // may redeem tickets
};

class Server {
 public:
  // The references outlive the server. The stop token ends waits.
  Server(event::Loop& loop, Log& log, const sasl::Mechanisms& mechanisms, ServerSettings settings,
         event::StopToken stop);

  // One request, or one exchange with all its steps. Throws io::Ended for callers that are not allowed or
  // do not follow the protocol.
  event::Task<> handle(ipc::Channel& channel, ipc::Frame frame);

 private:
  event::Task<> authenticate(ipc::Channel& channel, protocol::AuthStart start);
  event::Task<protocol::UserRecord> redeem(protocol::RedeemTicket request);
  event::Task<sasl::StepResult> run(std::function<sasl::StepResult()> step);
  bool plaintext_allowed(const std::string& service, bool secure) const;
  static bool is_one_of(const ipc::Channel& channel, const std::vector<uid_t>& uids);

  event::Loop& loop_;
  Log& log_;
  const sasl::Mechanisms& mechanisms_;
  ServerSettings settings_;
  event::StopToken stop_;
  Penalties penalties_;
  Tickets tickets_;
  event::Workers workers_;
};

}  // namespace postrider::auth
