// Answers the questions of lib/protocol/auth.h: mechanisms, logins, and who a ticket belongs to.
//
// Trust: callers are daemons that strangers talk to; they get the outcome of exchanges that they relay,
// and only root's processes learn more of a user than the name.
#pragma once

#include <vector>

#include <sys/types.h>

#include "auth/login.h"
#include "lib/base/log.h"
#include "lib/ipc/call.h"
#include "lib/ipc/channel.h"
#include "lib/protocol/auth.h"

namespace postrider::auth {

struct Callers {
  std::vector<uid_t> servers;   // may relay exchanges
  std::vector<uid_t> starters;  // may redeem tickets
  bool serve_root = false;      // users of uid 0 may have a mailbox: when nobody here is root
};

class Server {
 public:
  // The references outlive the server.
  Server(event::Loop& loop, Log& log, Logins& logins, Callers callers)
      : loop_(loop), log_(log), logins_(logins), callers_(std::move(callers)) {}

  // One question with one answer, and one login with all its steps, or a question asked as a conversation.
  // Both throw io::Ended for callers that are not allowed or do not follow the protocol.
  event::Task<> answer(ipc::Call call, ipc::Frame frame);
  event::Task<> converse(ipc::Channel& channel, ipc::Frame frame);

 private:
  event::Task<> authenticate(ipc::Channel& channel, protocol::AuthStart start);
  event::Task<protocol::UserRecord> redeem(protocol::RedeemTicket request);
  void require(const os::Fd& client, const std::vector<uid_t>& uids, std::string_view what);

  event::Loop& loop_;
  Log& log_;
  Logins& logins_;
  Callers callers_;
};

}  // namespace postrider::auth
