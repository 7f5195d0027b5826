#include "auth/login.h"

#include "lib/tls/digest.h"

namespace postrider::auth {

namespace {

using Kind = protocol::AuthStep::Kind;

Kind kind_of(sasl::StepKind kind) {
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

protocol::AuthStep temporary(std::string reason) {
  protocol::AuthStep answer;
  answer.kind = Kind::temporary;
  answer.reason = std::move(reason);
  return answer;
}

}  // namespace

Logins::Logins(event::Loop& loop, const sasl::Mechanisms& mechanisms, LoginSettings settings,
               event::StopToken stop)
    : loop_(loop),
      mechanisms_(mechanisms),
      settings_(settings),
      stop_(stop),
      penalties_(loop.clock(), settings.failure_delay, settings.failure_delay_limit),
      tickets_(loop.clock()),
      workers_(loop, settings.threads) {}

std::vector<std::string> Logins::mechanisms(const std::string& service, bool secure) const {
  return mechanisms_.names(secure || (service == "smtp" && settings_.smtp_cleartext));
}

// POP3 and IMAP servers relay plaintext mechanisms only where they let them be used.
bool Logins::plaintext_allowed(const std::string& service, bool secure) const {
  return secure || service != "smtp" || settings_.smtp_cleartext;
}

event::Task<protocol::AuthStep> Login::start(protocol::AuthStart start) {
  service_ = start.service;
  client_address_ = start.client_address;
  auto made = sasl::Exchange::make(shared_.mechanisms_, sasl_service(service_), client_address_,
                                   shared_.plaintext_allowed(service_, start.secure));
  if (!made) co_return temporary(made.error().text());
  exchange_ = std::move(*made);
  const protocol::AuthStep answer = co_await step([&start](sasl::Exchange& exchange) {
    return exchange.start(start.mechanism, start.has_initial ? &start.initial : nullptr);
  });
  tls::wipe(start.initial);
  co_return answer;
}

event::Task<protocol::AuthStep> Login::next(std::string response) {
  if (!exchange_) co_return temporary("no exchange is under way");
  const protocol::AuthStep answer =
      co_await step([&response](sasl::Exchange& exchange) { return exchange.next(response); });
  tls::wipe(response);
  co_return answer;
}

event::Task<protocol::AuthStep> Login::step(std::function<sasl::StepResult(sasl::Exchange&)> work) {
  if (shared_.workers_.backlog() >= shared_.settings_.queue_limit) {
    co_return temporary("too many logins at the same time");
  }
  sasl::StepResult result;
  co_await shared_.workers_.run([&] { result = work(*exchange_); });
  protocol::AuthStep answer;
  answer.kind = kind_of(result.kind);
  answer.data = std::move(result.data);
  if (answer.kind == Kind::challenge) co_return answer;
  exchange_.reset();
  answer.user = std::move(result.user);
  answer.reason = result.reason.substr(0, 512);
  if (answer.kind == Kind::success) {
    shared_.penalties_.succeeded(client_address_);
    answer.ticket = shared_.tickets_.issue(answer.user, service_);
  } else if (answer.kind == Kind::failure || answer.kind == Kind::malformed) {
    co_await shared_.loop_.sleep(shared_.penalties_.failed(client_address_), shared_.stop_);
  }
  co_return answer;
}

}  // namespace postrider::auth
