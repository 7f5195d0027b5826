// The end of a pass over a message's recipients: who is told, and where the message goes next.
#include <algorithm>

#include "lib/protocol/services.h"
#include "qmgr/queue_manager.h"

namespace postrider::qmgr {

using protocol::Notify;

void QueueManager::finish_pass_if_done(Message& message) {
  if (message.pending > 0 || message.resolving) return;
  message.resolving = true;  // no second time
  daemon_.tasks().spawn(finish_pass(message));
}

event::Task<> QueueManager::finish_pass(Message& message) {
  // Not inside whoever settled the last recipient, who may still look at the message.
  co_await loop_.yield();
  try {
    if (message.wish != Message::Wish::none) {
      co_await obey_wish(message);
      co_return;
    }
    co_await return_failures(message);
    co_await report_successes(message);
    const auto left = std::ranges::count_if(
        message.envelope.recipients,
        [](const queue::Recipient& recipient) { return recipient.status == queue::RecipientStatus::todo; });
    if (left == 0) {
      co_await remove(message);
      co_return;
    }
    const Microseconds age = daemon_.clock().wall() - message.envelope.arrival;
    const Microseconds lifetime =
        message.envelope.sender.empty() ? config_.bounce_lifetime() : config_.queue_lifetime();
    if (age >= lifetime || message.envelope.has(queue::flag::expire)) {
      co_await expire(message);
      co_return;
    }
    if (config_.delay_warning().count() > 0 && age >= config_.delay_warning() &&
        !message.envelope.has(queue::flag::warned))
      co_await warn_of_delay(message);
    co_await defer(message);
  } catch (const io::Ended&) {
    // The process ends; the message is as it was stored.
  }
}

event::Task<bool> QueueManager::notify(Message& message, Notify::Kind kind,
                                       std::vector<std::uint32_t> indices) {
  queue::Envelope part;
  std::vector<queue::Recipient> all = std::exchange(message.envelope.recipients, {});
  part = message.envelope;
  message.envelope.recipients = std::move(all);
  Notify request;
  for (const std::uint32_t index : indices) {
    part.recipients.push_back(message.envelope.recipients[index]);
    if (kind != Notify::Kind::failed && kind != Notify::Kind::delayed)
      request.ways += message.expanded[index] ? 'e' : message.relayed[index] ? 'r' : 'd';
  }
  if (!config_.disable_verp_bounces()) name_recipient_in_sender(part);
  Result<std::string> encoded = queue::encode(part);
  if (!encoded) {
    log_.warning("{}: {}", message.envelope.id, encoded.error().text());
    co_return false;
  }
  if (const Result<> opened = open_content(message); !opened) {
    close_content(message);
    log_.warning("{}: {}", message.envelope.id, opened.error().text());
    co_return false;
  }
  request.kind = kind;
  request.envelope = std::move(*encoded);
  Result<queue::Content> content = message.content.share();
  close_content(message);
  if (!content) {
    log_.warning("{}: {}", message.envelope.id, content.error().text());
    co_return false;
  }
  request.content = std::move(*content);
  const std::string& service = kind == Notify::Kind::failed    ? services_.bounce_service_name()
                               : kind == Notify::Kind::delayed ? services_.defer_service_name()
                                                               : services_.trace_service_name();
  const Result<protocol::Notified> answer =
      co_await pool(service).ask<protocol::Notified>(request, loop_.after(Seconds{300}));
  if (answer && answer->done) co_return true;
  log_.warning("{}: {} service failure: {}", message.envelope.id, service,
               answer ? answer->trouble : answer.error().text());
  co_return false;
}

// One report for all, or one for each: with VERP each has a sender of its own, who is to be told.
std::vector<std::vector<std::uint32_t>> QueueManager::reports_of(const Message& message,
                                                                 std::vector<std::uint32_t> indices) const {
  std::vector<std::vector<std::uint32_t>> reports;
  if (message.envelope.verp_delimiters.empty() || config_.disable_verp_bounces()) {
    if (!indices.empty()) reports.push_back(std::move(indices));
    return reports;
  }
  for (const std::uint32_t index : indices) reports.push_back({index});
  return reports;
}

event::Task<> QueueManager::return_failures(Message& message) {
  if (message.bounced.empty()) co_return;
  std::vector<std::uint32_t> wanted;
  for (const std::uint32_t index : message.bounced) {
    const std::uint8_t asked = message.envelope.recipients[index].notify;
    if (asked == 0 || (asked & queue::notify::failure) != 0) wanted.push_back(index);
  }
  // A notification of ours that cannot be delivered goes to postmaster, once: bounce sees to that.
  std::vector<std::uint32_t> returned;
  for (const std::uint32_t index : message.bounced)
    if (std::ranges::find(wanted, index) == wanted.end()) returned.push_back(index);
  for (std::vector<std::uint32_t>& report : reports_of(message, std::move(wanted))) {
    const bool done = co_await notify(message, Notify::Kind::failed, report);
    // What was not reported stays in the queue and is tried again, rather than vanishing.
    if (done) returned.insert(returned.end(), report.begin(), report.end());
  }
  for (const std::uint32_t index : returned) {
    message.envelope.recipients[index].status = queue::RecipientStatus::bounced;
    if (message.place) journal_->recipients_done(*message.place, index, 1, queue::RecipientStatus::bounced);
  }
  message.bounced.clear();
  dirty_.notify();
}

event::Task<> QueueManager::report_successes(Message& message) {
  const bool verbose = message.envelope.has(queue::flag::record) || message.envelope.has(queue::flag::verify);
  std::vector<std::uint32_t> wanted;
  for (const std::uint32_t index : message.succeeded)
    if (verbose || (message.envelope.recipients[index].notify & queue::notify::success) != 0)
      wanted.push_back(index);
  message.succeeded.clear();
  if (wanted.empty() || message.envelope.sender.empty()) co_return;
  // Nothing depends on it: a report that cannot be made now is not made.
  const Notify::Kind kind =
      message.envelope.has(queue::flag::verify) ? Notify::Kind::verified : Notify::Kind::succeeded;
  for (std::vector<std::uint32_t>& report : reports_of(message, std::move(wanted)))
    co_await notify(message, kind, std::move(report));
}

event::Task<> QueueManager::expire(Message& message) {
  log_.info("{}: from=<{}>, status={}, returned to sender", message.envelope.id, message.envelope.sender,
            message.envelope.has(queue::flag::expire) ? "force-expired" : "expired");
  for (std::uint32_t i = 0; i < message.envelope.recipients.size(); ++i) {
    queue::Recipient& recipient = message.envelope.recipients[i];
    if (recipient.status != queue::RecipientStatus::todo) continue;
    if (recipient.dsn.empty()) recipient.dsn = "4.4.7";
    if (recipient.reason.empty()) recipient.reason = "message expired";
    message.bounced.push_back(i);
  }
  co_await return_failures(message);
  const bool all = std::ranges::none_of(message.envelope.recipients, [](const queue::Recipient& recipient) {
    return recipient.status == queue::RecipientStatus::todo;
  });
  if (all)
    co_await remove(message);
  else
    co_await defer(message);
}

event::Task<> QueueManager::warn_of_delay(Message& message) {
  std::vector<std::uint32_t> late;
  for (std::uint32_t i = 0; i < message.envelope.recipients.size(); ++i) {
    const queue::Recipient& recipient = message.envelope.recipients[i];
    if (recipient.status == queue::RecipientStatus::todo &&
        (recipient.notify == 0 || (recipient.notify & queue::notify::delay) != 0))
      late.push_back(i);
  }
  bool told = true;
  if (!message.envelope.sender.empty()) {
    for (std::vector<std::uint32_t>& report : reports_of(message, std::move(late))) {
      const bool done = co_await notify(message, Notify::Kind::delayed, std::move(report));
      told = told && done;
    }
  }
  if (told) message.envelope.flags |= queue::flag::warned;
}

event::Task<> QueueManager::remove(Message& message) {
  const queue::QueueId id = message.envelope.id;
  if (message.place) {
    journal_->removed(*message.place, message.in_content_file ? std::optional(id) : std::nullopt);
    dirty_.notify();
  } else {
    // While the file is there it is the message's whole memory: it would be delivered again.
    while (true) {
      Result<> removed;
      co_await workers_.run([&] { removed = store_.remove(queue::Shelf::deferred, id); });
      if (removed || removed.error().is(Trouble::not_found)) break;
      log_.warning("{}: {}; will try again", id, removed.error().text());
      const bool woken = co_await loop_.sleep(config_.transport_retry(), daemon_.drain_token());
      if (!woken) co_return;
    }
  }
  log_.info("{}: removed", id);
  forget(message);
}

event::Task<> QueueManager::defer(Message& message) {
  // The older the message the longer the pause.
  const WallTime now = daemon_.clock().wall();
  const Microseconds age = std::max<Microseconds>(now - message.envelope.arrival, Microseconds{0});
  const Microseconds pause =
      std::clamp<Microseconds>(age, config_.minimal_backoff(), config_.maximal_backoff());
  co_await shelve(message, queue::Shelf::deferred, now + pause);
}

// Into a file of its own, so that what waits does not hold up the segments of what moves.
event::Task<> QueueManager::shelve(Message& message, queue::Shelf shelf, WallTime next_attempt) {
  const queue::QueueId id = message.envelope.id;
  Result<> stored;
  if (message.place) {
    Result<queue::Message> whole = reader_.read(*message.place);
    if (!whole) {
      stored = std::unexpected(whole.error());
    } else {
      whole->envelope = message.envelope;
      whole->in_content_file = message.in_content_file;
      co_await workers_.run([&] { stored = store_.put(shelf, *whole, next_attempt); });
      if (stored) journal_->spilled(*message.place);
    }
    dirty_.notify();
  } else {
    co_await workers_.run([&] {
      stored = store_.update(queue::Shelf::deferred, message.stored, message.envelope, next_attempt,
                             queue::Sync::later);
      if (stored && shelf != queue::Shelf::deferred)
        stored = store_.move(id, queue::Shelf::deferred, shelf, next_attempt);
    });
  }
  if (!stored) {
    // It stays where it was and is tried again, with the outcomes so far in memory only.
    log_.warning("{}: cannot be put aside: {}", id, stored.error().text());
    co_await loop_.sleep(config_.transport_retry(), daemon_.drain_token());
    if (daemon_.draining()) co_return;
    if (message.place) {
      message.wish = Message::Wish::none;
      message.resolving = true;
      daemon_.tasks().spawn(resolve(message));
      co_return;
    }
  }
  if (shelf == queue::Shelf::deferred || !stored) {
    index_.add(id, next_attempt);
    due_.notify();
    // A tool spoke while the file was being written.
    if (message.wish != Message::Wish::none) daemon_.tasks().spawn(obey_late(message.wish, id));
  }
  forget(message);
}

void QueueManager::forget(Message& message) {
  active_.erase(message.envelope.id);
  emptied_.notify();
  take_from_backlog();
  if (active_.size() * 2 <= static_cast<std::size_t>(config_.active_limit())) due_.notify();
}

}  // namespace postrider::qmgr
