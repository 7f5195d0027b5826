#include "smtp/delivery.h"

#include <algorithm>

#include <fmt/core.h>

namespace postrider::smtp_client {

using protocol::DeliveryReport;
using protocol::RecipientOutcome;

Delivery::Delivery(Surroundings& here, KeptSessions& kept, const Mail& mail, std::string nexthop,
                   LogOutcome log, std::function<void()> connected)
    : here_(here), kept_(kept), mail_(mail), log_(std::move(log)), connected_(std::move(connected)) {
  sites_.push_back(std::move(nexthop));
  for (const std::string& relay : here.config.fallback_relay()) sites_.push_back(relay);
  for (std::uint32_t i = 0; i < mail.envelope.recipients.size(); ++i) left_.push_back(i);
}

event::Task<DeliveryReport> Delivery::run() {
  for (site_ = 0; site_ < sites_.size() && !left_.empty(); ++site_) {
    sessions_ = 0;
    co_await try_site(sites_[site_]);
  }
  if (!left_.empty()) give_up();
  co_return std::move(report_);
}

// ---- which servers

event::Task<> Delivery::try_site(const std::string& site) {
  last_target_ = false;
  std::unique_ptr<Session> kept = kept_.take(site);
  if (kept) {
    tried_.insert(kept->target().relay());
    ++sessions_;
    const Attempt outcome = co_await attempt(std::move(kept), false, false);
    // A dead connection says nothing of its server.
    if (outcome == Attempt::stale) {
      --sessions_;
      tried_.clear();
    }
    if (left_.empty()) co_return;
  }
  const Result<Nexthop> nexthop = parse_nexthop(site, here_.config.is_lmtp(), here_.config.tcp_port());
  if (!nexthop) {
    remember({.dsn = "5.4.4", .reason = nexthop.error().text(), .remote_mta = {}, .remote_reply = {}});
    co_return;
  }
  Finder finder(here_);
  const Found targets = co_await finder.find(*nexthop);
  if (!targets) {
    remember(targets.error());
    co_return;
  }
  const std::int64_t session_limit = here_.config.mx_session_limit();
  for (std::size_t i = 0; i < targets->size() && !left_.empty(); ++i) {
    if (session_limit > 0 && sessions_ >= session_limit) co_return;
    const Target& target = (*targets)[i];
    const bool more = i + 1 < targets->size() && (session_limit == 0 || sessions_ + 1 < session_limit);
    last_target_ = !more && site_ + 1 == sites_.size();
    if (!tried_.insert(target.relay()).second) continue;
    co_await try_target(target, site);
  }
}

event::Task<> Delivery::try_target(const Target& target, const std::string& site) {
  while (std::unique_ptr<Session> kept = kept_.take(target)) {
    ++sessions_;
    const Attempt outcome = co_await attempt(std::move(kept), false, false);
    if (outcome == Attempt::done) co_return;
    --sessions_;
  }
  for (const bool in_clear : {false, true}) {
    std::expected<os::Fd, Failure> socket = co_await connect_to(here_, target);
    if (!socket) {
      // As in Postfix without queue id: it is about the server, not the message.
      here_.log.info("{}", socket.error().reason);
      remember(std::move(socket.error()));
      co_return;
    }
    ever_connected_ = true;
    if (!in_clear) ++sessions_;
    auto session = std::make_unique<Session>(here_, target, site, std::move(*socket));
    const Attempt outcome = co_await attempt(std::move(session), true, in_clear);
    if (outcome != Attempt::tls) co_return;
  }
}

event::Task<Delivery::Attempt> Delivery::attempt(std::unique_ptr<Session> session, bool fresh,
                                                 bool in_clear) {
  if (fresh) {
    const std::optional<Failure> failure = co_await session->begin(in_clear);
    if (failure && session->tls_failed() && !in_clear && !here_.config.tls_required()) {
      here_.log.info("{}: {}", mail_.envelope.id, failure->reason);
      co_return Attempt::tls;
    }
    if (failure) {
      take_failure(*failure, *session);
      if (!session->finished) kept_.dismiss(std::move(session));
      co_return Attempt::done;
    }
  }
  ++session->uses;
  if (connected_) std::exchange(connected_, nullptr)();

  Transaction transaction(here_, *session, mail_, left_);
  std::optional<io::Ended> ended;
  try {
    co_await transaction.run();
  } catch (const io::Ended& how) {
    if (how.why == io::Ended::Why::stopped) throw;
    ended = how;
  }
  if (!fresh && !transaction.answered() && (ended || session->finished)) co_return Attempt::stale;
  take_verdicts(transaction, *session);
  if (!ended) {
    if (transaction.verdicts().empty()) session->finished = true;
    kept_.put(std::move(session));
    co_return Attempt::done;
  }
  const Failure failure = session->ended(*ended);
  if (transaction.content_sent()) {
    // Whether the server took the message nobody knows: not again at once, and not to another (RFC 1047).
    throttle(DeliveryReport::Destination::refused, failure);
    settle_all(failure, server_of(*session));
  } else {
    take_failure(failure, *session);
  }
  co_return Attempt::done;
}

// ---- what recipients come to

void Delivery::take_verdicts(Transaction& transaction, const Session& session) {
  const Server server = server_of(session);
  std::string logged;
  std::vector<bool> gone(mail_.envelope.recipients.size(), false);
  for (Verdict& verdict : transaction.verdicts()) {
    if (!verdict.delivered && verdict.failure.soft() && !last_target_ && !transaction.local_trouble()) {
      // Another server may take it.
      if (verdict.failure.reason != logged)
        here_.log.info("{}: {}", mail_.envelope.id, verdict.failure.reason);
      logged = verdict.failure.reason;
      said_.insert_or_assign(verdict.recipient, std::pair(std::move(verdict.failure), server));
      continue;
    }
    gone[verdict.recipient] = true;
    if (verdict.delivered)
      settle_delivered(verdict, session);
    else
      settle(verdict.recipient, verdict.failure, server);
  }
  std::erase_if(left_, [&](std::uint32_t recipient) { return gone[recipient]; });
}

void Delivery::remember(Failure failure) {
  why_ = std::move(failure);
  said_.clear();
}

// Of the server as a whole: recipients that are left wait for the next server, or for another time.
void Delivery::take_failure(const Failure& failure, const Session& session) {
  remember(failure);
  if (failure.soft() && !last_target_) {
    here_.log.info("{}: {}", mail_.envelope.id, failure.reason);
    return;
  }
  if (failure.soft()) throttle(DeliveryReport::Destination::refused, failure);
  settle_all(failure, server_of(session));
}

void Delivery::throttle(DeliveryReport::Destination health, const Failure& failure) {
  report_.destination = health;
  report_.destination_dsn = failure.dsn;
  report_.destination_reason = failure.reason;
}

void Delivery::settle(std::uint32_t recipient, const Failure& failure, const Server& server) {
  RecipientOutcome outcome;
  outcome.index = recipient;
  outcome.kind = failure.soft() ? RecipientOutcome::Kind::deferred : RecipientOutcome::Kind::bounced;
  outcome.dsn = failure.dsn;
  outcome.reason = failure.reason;
  outcome.remote_mta = failure.remote_mta;
  outcome.remote_reply = failure.remote_reply;
  if (outcome.kind == RecipientOutcome::Kind::bounced && here_.soft_bounce) {
    outcome.kind = RecipientOutcome::Kind::deferred;
    outcome.dsn[0] = '4';
  }
  report(std::move(outcome), server);
}

void Delivery::settle_all(const Failure& failure, const Server& server) {
  for (const std::uint32_t recipient : std::exchange(left_, {})) settle(recipient, failure, server);
}

void Delivery::settle_delivered(Verdict& verdict, const Session& session) {
  RecipientOutcome outcome;
  outcome.index = verdict.recipient;
  outcome.kind = session.offers().dsn ? RecipientOutcome::Kind::passed_on : RecipientOutcome::Kind::relayed;
  // lmtp flags=X: the server is where mail ends.
  if (!session.offers().dsn && here_.flags.find('X') != std::string::npos)
    outcome.kind = RecipientOutcome::Kind::delivered;
  outcome.dsn = std::move(verdict.dsn);
  outcome.remote_mta = session.target().host;
  outcome.remote_reply = verdict.text;
  outcome.reason = std::move(verdict.text);
  report(std::move(outcome), server_of(session));
}

void Delivery::report(RecipientOutcome outcome, const Server& server) {
  // The sender's report must hold it; a hostile server's reply may be longer.
  outcome.reason.resize(std::min(outcome.reason.size(), queue::max_reason_bytes));
  outcome.remote_reply.resize(std::min(outcome.remote_reply.size(), queue::max_reason_bytes));
  log_(outcome, server.relay, server.use);
  report_.outcomes.push_back(std::move(outcome));
}

// No server is left, and recipients are.
void Delivery::give_up() {
  if (!why_ && said_.empty())
    why_ = Failure{.dsn = "4.4.1", .reason = "no server was tried", .remote_mta = {}, .remote_reply = {}};
  if (why_ && !why_->soft()) {
    // What is likely to be the administrator's mistake defers mail instead of returning it.
    if (sites_.size() > 1) {
      here_.log.warning("{} configuration problem", here_.config.fallback_relay.name());
      why_->dsn = "4.3.5";
    } else if (!here_.relayhost.empty() && sites_.front() == here_.relayhost) {
      here_.log.warning("relayhost configuration problem");
      why_->dsn = "4.3.5";
    }
  }
  if (why_ && why_->soft() && said_.empty())
    throttle(ever_connected_ ? DeliveryReport::Destination::refused : DeliveryReport::Destination::dead,
             *why_);
  for (const std::uint32_t recipient : std::exchange(left_, {})) {
    const auto said = said_.find(recipient);
    if (said != said_.end())
      settle(recipient, said->second.first, said->second.second);
    else if (why_)
      settle(recipient, *why_, {});
    else
      settle(recipient, said_.begin()->second.first, said_.begin()->second.second);
  }
}

}  // namespace postrider::smtp_client
