// One login from its first response to its outcome, whichever protocol it is relayed by: exchanges on
// worker threads, answers to failures held back, a ticket for what follows a success.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "auth/penalties.h"
#include "auth/tickets.h"
#include "lib/base/log.h"
#include "lib/event/workers.h"
#include "lib/protocol/auth.h"
#include "lib/sasl/server.h"

namespace postrider::auth {

struct LoginSettings {
  std::size_t threads = 4;
  std::size_t queue_limit = 500;  // verifications that may wait
  Microseconds failure_delay{0}, failure_delay_limit{0};
  bool smtp_cleartext = true;  // SMTP may use PLAIN and LOGIN without TLS; POP3 and IMAP decide themselves
};

// What all logins of the process share. Destroyed before the tasks that log in.
class Logins {
 public:
  // The references outlive this object. The stop token ends waits.
  Logins(event::Loop& loop, const sasl::Mechanisms& mechanisms, LoginSettings settings,
         event::StopToken stop);

  std::vector<std::string> mechanisms(const std::string& service, bool secure) const;
  Tickets& tickets() { return tickets_; }
  sasl::Authenticator& users() const { return mechanisms_.authenticator(); }

  // Runs what blocks on a thread.
  event::Task<> run(std::function<void()> job) { return workers_.run(std::move(job)); }

 private:
  friend class Login;
  bool plaintext_allowed(const std::string& service, bool secure) const;

  event::Loop& loop_;
  const sasl::Mechanisms& mechanisms_;
  LoginSettings settings_;
  event::StopToken stop_;
  Penalties penalties_;
  Tickets tickets_;
  event::Workers workers_;
};

class Login {
 public:
  explicit Login(Logins& shared) : shared_(shared) {}

  // The first step; `start.initial` is wiped. A kind other than challenge is the end.
  event::Task<protocol::AuthStep> start(protocol::AuthStart start);
  // After a challenge.
  event::Task<protocol::AuthStep> next(std::string response);

 private:
  event::Task<protocol::AuthStep> step(std::function<sasl::StepResult(sasl::Exchange&)> work);

  Logins& shared_;
  std::string service_, client_address_;
  std::unique_ptr<sasl::Exchange> exchange_;
};

}  // namespace postrider::auth
