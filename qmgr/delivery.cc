// From recipients to outcomes: resolving where each one goes, and asking the agents.
#include <algorithm>
#include <map>

#include "lib/address/verp.h"
#include "lib/protocol/services.h"
#include "qmgr/queue_manager.h"

namespace postrider::qmgr {

using protocol::RecipientOutcome;

namespace {

constexpr int resolve_attempts = 5;
constexpr unsigned most_losses = 3;  // agents that may die on a message before it is deferred

RecipientOutcome deferred(std::string dsn, std::string reason) {
  RecipientOutcome outcome;
  outcome.kind = RecipientOutcome::Kind::deferred;
  outcome.dsn = std::move(dsn);
  outcome.reason = std::move(reason);
  return outcome;
}

}  // namespace

ipc::Pool& QueueManager::pool(const std::string& service) {
  std::unique_ptr<ipc::Pool>& pool = pools_[service];
  if (!pool)
    pool = std::make_unique<ipc::Pool>(loop_, protocol::private_service(service), 200, daemon_.stop_token());
  return *pool;
}

event::Task<> QueueManager::resolve(Message& message) {
  std::vector<std::uint32_t> todo;
  for (std::uint32_t i = 0; i < message.envelope.recipients.size(); ++i)
    if (message.envelope.recipients[i].status == queue::RecipientStatus::todo) todo.push_back(i);
  message.expanded.assign(message.envelope.recipients.size(), false);
  message.relayed.assign(message.envelope.recipients.size(), false);
  message.pending = todo.size();
  if (message.wish == Message::Wish::none && !message.envelope.has(queue::flag::expire)) {
    const bool admitted = co_await resolvers_.acquire(no_deadline, daemon_.stop_token());
    if (!admitted) co_return;
    for (std::size_t from = 0; from < todo.size() && message.wish == Message::Wish::none;
         from += protocol::max_rewrite_batch) {
      const std::size_t to = std::min(todo.size(), from + protocol::max_rewrite_batch);
      const std::vector<std::uint32_t> batch(todo.begin() + static_cast<std::ptrdiff_t>(from),
                                             todo.begin() + static_cast<std::ptrdiff_t>(to));
      protocol::Resolve question;
      question.sender = message.envelope.sender;
      for (const std::uint32_t index : batch)
        question.addresses.push_back(message.envelope.recipients[index].address);
      Result<protocol::Resolved> answer = fail(Trouble::temporary, "stopped");
      try {
        // A rewrite process that dies is soon replaced: not a reason to put the message aside.
        for (int attempt = 0; attempt < resolve_attempts; ++attempt) {
          answer = co_await pool(services_.rewrite_service_name())
                       .ask<protocol::Resolved>(question, loop_.after(Seconds{60}));
          if (answer) break;
          co_await loop_.sleep(Seconds{1}, daemon_.drain_token());
        }
      } catch (const io::Ended&) {
        co_return;  // the process ends; the message is where it was
      }
      if (answer && answer->routes.size() == batch.size()) {
        route(message, batch, std::move(answer->routes));
        continue;
      }
      log_.warning("{}: recipients cannot be resolved: {}", message.envelope.id,
                   answer ? "malformed answer" : answer.error().text());
      for (const std::uint32_t index : batch) {
        RecipientOutcome outcome = deferred("4.3.0", "address resolver failure");
        log_status(message, index, outcome);
        settle_recipient(message, index, std::move(outcome));
      }
    }
    resolvers_.release();
  }
  // Expired messages go straight to their end, and so does what a tool has plans for.
  if (message.wish != Message::Wish::none || message.envelope.has(queue::flag::expire)) {
    scheduler_.withdraw(message);
    message.pending = message.in_flight;
  }
  message.resolving = false;
  pump();
  finish_pass_if_done(message);
}

// Groups recipients by where they go, in the order of their first one.
void QueueManager::route(Message& message, const std::vector<std::uint32_t>& todo,
                         std::vector<protocol::Route> routes) {
  std::map<std::pair<std::string, std::string>, std::vector<std::uint32_t>> groups;
  for (std::size_t i = 0; i < todo.size(); ++i) {
    protocol::Route& to = routes[i];
    const std::uint32_t index = todo[i];
    if (to.trouble == protocol::Route::Trouble::table) {
      RecipientOutcome outcome = deferred("4.3.0", "address lookup failure");
      log_status(message, index, outcome);
      settle_recipient(message, index, std::move(outcome));
    } else if (to.trouble == protocol::Route::Trouble::bad_syntax) {
      RecipientOutcome outcome = deferred("5.1.3", "bad address syntax");
      outcome.kind = RecipientOutcome::Kind::bounced;
      log_status(message, index, outcome);
      settle_recipient(message, index, std::move(outcome));
    } else {
      if (!to.recipient.empty()) message.envelope.recipients[index].address = to.recipient;
      groups[{std::move(to.transport), std::move(to.nexthop)}].push_back(index);
    }
  }
  // sendmail -bv: the sender is told where it would go, and nothing is delivered.
  if (message.envelope.has(queue::flag::verify)) {
    for (const auto& [where, indices] : groups) report_route(message, where.first, where.second, indices);
    return;
  }
  // content_filter: the message goes whole to the filter, which hands it back.
  if (!message.envelope.content_filter.empty() && !groups.empty()) {
    const std::string& filter = message.envelope.content_filter;
    const std::size_t colon = filter.find(':');
    std::vector<std::uint32_t> all;
    for (auto& [where, indices] : groups) all.insert(all.end(), indices.begin(), indices.end());
    groups.clear();
    groups[{filter.substr(0, colon), colon == std::string::npos ? "" : filter.substr(colon + 1)}] =
        std::move(all);
  }
  for (auto& [where, indices] : groups) {
    std::optional<Scheduler::Refused> refused =
        scheduler_.add(message, where.first, where.second, std::move(indices), loop_.now());
    if (refused) refuse_one(*refused);
  }
}

void QueueManager::report_route(Message& message, const std::string& transport, const std::string& nexthop,
                                const std::vector<std::uint32_t>& indices) {
  const bool refused = transport == services_.error_service_name();
  for (const std::uint32_t index : indices) {
    RecipientOutcome outcome;
    outcome.kind = refused ? RecipientOutcome::Kind::bounced : RecipientOutcome::Kind::delivered;
    outcome.dsn = refused ? "5.0.0" : "2.0.0";
    outcome.reason = refused ? nexthop : "would be delivered by " + transport + " to " + nexthop;
    log_status(message, index, outcome);
    settle_recipient(message, index, std::move(outcome));
  }
}

void QueueManager::refuse_one(Scheduler::Refused& refused) {
  Message& message = *refused.message;
  for (const std::uint32_t index : refused.recipients) {
    RecipientOutcome outcome = deferred(refused.dsn, refused.reason);
    log_status(message, index, outcome);
    settle_recipient(message, index, std::move(outcome));
  }
}

void QueueManager::refuse(std::vector<Scheduler::Refused> refused) {
  for (Scheduler::Refused& one : refused) {
    refuse_one(one);
    finish_pass_if_done(*one.message);
  }
}

void QueueManager::pump() {
  if (daemon_.draining()) return;
  while (std::optional<Scheduler::Assignment> assignment = scheduler_.next(loop_.now()))
    daemon_.tasks().spawn(deliver(std::move(*assignment)));
  if (!pump_waiting_ && scheduler_.next_change(loop_.now()) != no_deadline)
    daemon_.tasks().spawn(pump_later());
}

// For destinations with a rate delay: nothing but time will make their next delivery legal.
event::Task<> QueueManager::pump_later() {
  pump_waiting_ = true;
  co_await loop_.sleep_until(scheduler_.next_change(loop_.now()), daemon_.drain_token());
  pump_waiting_ = false;
  pump();
}

Result<> QueueManager::open_content(Message& message) {
  if (message.content_users++ > 0) return {};
  if (message.place) {
    Result<queue::Message> read = reader_.read(*message.place);
    if (!read) return std::unexpected(read.error());
    message.content = std::move(read->content);
    return {};
  }
  Result<queue::SpilledMessage> spilled = store_.read(queue::Shelf::deferred, message.envelope.id);
  if (!spilled) return std::unexpected(spilled.error());
  message.content = std::move(spilled->content);
  return {};
}

void QueueManager::close_content(Message& message) {
  if (--message.content_users == 0) message.content = {};
}

// For one recipient, as the client gave it: that is whom a list knows.
void QueueManager::name_recipient_in_sender(queue::Envelope& part) {
  if (part.verp_delimiters.empty() || part.recipients.size() != 1) return;
  const queue::Recipient& recipient = part.recipients.front();
  part.sender = address::verp_sender(part.sender, part.verp_delimiters,
                                     recipient.original.empty() ? recipient.address : recipient.original);
}

Result<protocol::DeliveryRequest> QueueManager::request_for(Message& message,
                                                            const Scheduler::Assignment& assignment) {
  queue::Envelope part;
  std::vector<queue::Recipient> all = std::exchange(message.envelope.recipients, {});
  part = message.envelope;
  message.envelope.recipients = std::move(all);
  for (const std::uint32_t index : assignment.recipients)
    part.recipients.push_back(message.envelope.recipients[index]);
  name_recipient_in_sender(part);
  Result<std::string> encoded = queue::encode(part);
  if (!encoded) return std::unexpected(encoded.error());
  protocol::DeliveryRequest request;
  request.envelope = std::move(*encoded);
  request.nexthop = assignment.nexthop;
  request.queue_name = "active";
  Result<queue::Content> content = message.content.share();
  if (!content) return std::unexpected(content.error());
  request.content = std::move(*content);
  request.activated = message.activated;
  return request;
}

event::Task<> QueueManager::deliver(Scheduler::Assignment assignment) {
  Message& message = *assignment.message;
  message.in_flight += assignment.recipients.size();
  protocol::DeliveryReport report;
  const auto fail_all = [&](const std::string& dsn, const std::string& reason) {
    for (std::uint32_t i = 0; i < assignment.recipients.size(); ++i) {
      RecipientOutcome outcome = deferred(dsn, reason);
      outcome.index = i;
      log_status(message, assignment.recipients[i], outcome);
      report.outcomes.push_back(std::move(outcome));
    }
  };
  bool unreachable = false;
  bool lost = false;
  const Result<> opened = open_content(message);
  Result<protocol::DeliveryRequest> request =
      opened ? request_for(message, assignment) : std::unexpected(opened.error());
  if (!request) {
    fail_all("4.3.0", "queue file: " + request.error().text());
  } else {
    try {
      Result<protocol::DeliveryReport> answer =
          co_await pool(assignment.transport)
              .ask_once<protocol::DeliveryReport>(*request, loop_.after(Seconds{10}),
                                                  loop_.after(daemon_.process().daemon_timeout()));
      unreachable = !answer;
      if (answer) report = std::move(*answer);
    } catch (const io::Ended& ended) {
      if (ended.why == io::Ended::Why::stopped) {
        close_content(message);
        co_return;  // the process ends; the message is where it was
      }
      lost = true;
    }
  }
  request = fail(Trouble::temporary, "");  // closes the descriptor
  close_content(message);
  if (unreachable) fail_all("4.3.0", "mail transport unavailable");
  if (lost && ++message.losses < most_losses) {
    message.in_flight -= assignment.recipients.size();
    // The agent died, perhaps not for this message: once more, with another one.
    log_.warning("{}: the {} agent was lost; trying again", message.envelope.id, assignment.transport);
    std::vector<std::uint32_t> again = assignment.recipients;
    refuse(
        scheduler_.finished(assignment, protocol::DeliveryReport::Destination::healthy, "", "", loop_.now()));
    std::optional<Scheduler::Refused> refused =
        scheduler_.add(message, assignment.transport, assignment.nexthop, std::move(again), loop_.now());
    if (refused) refuse_one(*refused);
    pump();
    finish_pass_if_done(message);
    co_return;
  }
  if (lost) fail_all("4.3.0", "the delivery agent failed");
  apply(message, assignment, report);
  if (unreachable)
    refuse(scheduler_.suspend(assignment.transport, config_.transport_retry(), "4.3.0",
                              "mail transport unavailable", loop_.now()));
  refuse(scheduler_.finished(assignment, report.destination, report.destination_dsn,
                             report.destination_reason, loop_.now()));
  pump();
  finish_pass_if_done(message);
}

void QueueManager::apply(Message& message, const Scheduler::Assignment& assignment,
                         const protocol::DeliveryReport& report) {
  message.in_flight -= assignment.recipients.size();
  std::vector<bool> told(assignment.recipients.size(), false);
  for (const RecipientOutcome& outcome : report.outcomes) {
    if (outcome.index >= told.size() || told[outcome.index]) continue;
    told[outcome.index] = true;
    settle_recipient(message, assignment.recipients[outcome.index], outcome);
  }
  for (std::size_t i = 0; i < told.size(); ++i)
    if (!told[i]) settle_recipient(message, assignment.recipients[i], deferred("4.3.0", "not attempted"));
}

void QueueManager::settle_recipient(Message& message, std::uint32_t index, RecipientOutcome outcome) {
  queue::Recipient& recipient = message.envelope.recipients[index];
  --message.pending;
  recipient.dsn = std::move(outcome.dsn);
  recipient.reason = std::move(outcome.reason);
  recipient.remote_mta = std::move(outcome.remote_mta);
  recipient.remote_reply = std::move(outcome.remote_reply);
  ++recipient.attempts;
  switch (outcome.kind) {
    case RecipientOutcome::Kind::deferred: return;
    case RecipientOutcome::Kind::bounced: message.bounced.push_back(index); return;
    case RecipientOutcome::Kind::expanded: message.expanded[index] = true; break;
    case RecipientOutcome::Kind::relayed:
    case RecipientOutcome::Kind::passed_on: message.relayed[index] = true; break;
    case RecipientOutcome::Kind::delivered: break;
  }
  // A success that the next server reports is not ours to report, unless our own user asked to be told.
  if (outcome.kind != RecipientOutcome::Kind::passed_on || message.envelope.has(queue::flag::record) ||
      message.envelope.has(queue::flag::verify))
    message.succeeded.push_back(index);
  recipient.status = queue::RecipientStatus::delivered;
  // Remembered at once: a crash from here on does not deliver to this recipient again.
  if (message.place) journal_->recipients_done(*message.place, index, 1, queue::RecipientStatus::delivered);
  dirty_.notify();
}

void QueueManager::log_status(const Message& message, std::uint32_t index, const RecipientOutcome& outcome) {
  const WallTime now = daemon_.clock().wall();
  const protocol::DeliveryTimes times{message.envelope.arrival, message.activated, now, now, now};
  log_.info("{}: {}", message.envelope.id,
            protocol::delivery_line(message.envelope.recipients[index], "none", 0, times, outcome));
}

}  // namespace postrider::qmgr
