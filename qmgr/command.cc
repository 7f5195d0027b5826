// What the tools ask of the queue: flush, remove, hold, release, requeue, expire, list.
#include <algorithm>

#include "lib/base/text.h"
#include "qmgr/queue_manager.h"

namespace postrider::qmgr {

using protocol::QueueCommand;
using Verb = protocol::QueueCommand::Verb;

event::Task<> QueueManager::triggered(std::string kinds) {
  for (const char kind : kinds) {
    if (kind == 'F') flush_all();
    if (kind == 'D') co_await scan_deferred();
  }
}

void QueueManager::flush_all() {
  scheduler_.revive();
  flush_after_scan_ = scanning_deferred_;
  index_.make_all_due();
  flushed_ = index_.size();
  due_.notify();
  pump();
}

event::Task<protocol::QueueCommandDone> QueueManager::obey(QueueCommand command) {
  protocol::QueueCommandDone done;
  if (command.verb == Verb::flush) {
    flush_all();
    co_return done;
  }
  std::vector<queue::QueueId> ids;
  if (command.all || command.verb == Verb::flush_site) {
    ids = co_await shelved_ids(command);
    const auto wanted = [&](std::string_view name) {
      return command.queues.empty() || std::ranges::find(command.queues, name) != command.queues.end();
    };
    if (command.all && (wanted("active") || wanted("incoming")))
      for (const auto& [id, message] : active_) ids.push_back(id);
  } else {
    for (const std::string& item : command.items)
      if (const auto id = queue::QueueId::parse(item)) ids.push_back(*id);
  }
  std::size_t looked_at = 0;
  for (const queue::QueueId id : ids) {
    const bool obeyed = obey_active(command.verb, id) || co_await obey_shelved(command.verb, id);
    if (obeyed) {
      ++done.count;
      if (done.done.size() < 10'000) done.done.push_back(id.text());
    }
    if (++looked_at % 100 == 0) co_await loop_.yield();
  }
  pump();
  co_return done;
}

// A message with deliveries under way is dealt with when they have ended: its wish is remembered.
bool QueueManager::obey_active(Verb verb, queue::QueueId id) {
  const auto found = active_.find(id);
  if (found == active_.end()) return false;
  Message& message = *found->second;
  switch (verb) {
    case Verb::flush:
    case Verb::flush_id:
    case Verb::flush_site: return true;  // it is being tried
    case Verb::release: return false;
    case Verb::remove: message.wish = Message::Wish::remove; break;
    case Verb::hold: message.wish = Message::Wish::hold; break;
    case Verb::requeue: message.wish = Message::Wish::requeue; break;
    case Verb::expire: message.envelope.flags |= queue::flag::expire; break;
  }
  // What no agent has yet will not be tried; while recipients are being resolved, resolve() sees to it.
  if (!message.resolving) {
    scheduler_.withdraw(message);
    message.pending = message.in_flight;
    finish_pass_if_done(message);
  }
  return true;
}

event::Task<> QueueManager::obey_wish(Message& message) {
  switch (message.wish) {
    case Message::Wish::none: co_return;
    case Message::Wish::remove: co_await remove(message); co_return;
    case Message::Wish::expire:
      message.envelope.flags |= queue::flag::expire;
      message.wish = Message::Wish::none;
      co_await expire(message);
      co_return;
    case Message::Wish::hold:
      message.envelope.flags &= ~queue::flag::hold;
      co_await shelve(message, queue::Shelf::hold, daemon_.clock().wall());
      co_return;
    case Message::Wish::requeue: {
      const queue::QueueId id = message.envelope.id;
      co_await shelve(message, queue::Shelf::hold, daemon_.clock().wall());
      Result<> requeued;
      co_await workers_.run([&] { requeued = admin_.requeue(id); });
      if (!requeued) log_.warning("{}: {}", id, requeued.error().text());
    }
  }
}

event::Task<> QueueManager::obey_late(Message::Wish wish, queue::QueueId id) {
  const Verb verb = wish == Message::Wish::remove    ? Verb::remove
                    : wish == Message::Wish::hold    ? Verb::hold
                    : wish == Message::Wish::requeue ? Verb::requeue
                                                     : Verb::expire;
  co_await obey_shelved(verb, id);
}

event::Task<bool> QueueManager::obey_shelved(Verb verb, queue::QueueId id) {
  Result<> done;
  bool wake = false;
  switch (verb) {
    case Verb::flush: co_return false;
    case Verb::flush_id:
    case Verb::flush_site: {
      co_await workers_.run([&] { done = store_.reschedule(id, daemon_.clock().wall()); });
      wake = true;
      break;
    }
    case Verb::remove: co_await workers_.run([&] { done = admin_.remove(id); }); break;
    case Verb::hold: co_await workers_.run([&] { done = admin_.hold(id); }); break;
    case Verb::release:
      co_await workers_.run([&] { done = admin_.release(id); });
      wake = true;
      break;
    case Verb::requeue: co_await workers_.run([&] { done = admin_.requeue(id); }); break;
    case Verb::expire:
      co_await workers_.run([&] { done = admin_.expire(id); });
      wake = true;
      break;
  }
  if (!done) {
    if (!done.error().is(Trouble::not_found)) log_.warning("{}: {}", id, done.error().text());
    co_return false;
  }
  if (wake) {
    index_.add(id, daemon_.clock().wall());
    scheduler_.revive();
    due_.notify();
  }
  co_return true;
}

event::Task<std::vector<queue::QueueId>> QueueManager::shelved_ids(const QueueCommand& command) {
  std::vector<queue::QueueId> ids;
  for (const queue::Shelf shelf : {queue::Shelf::deferred, queue::Shelf::hold}) {
    if (command.verb == Verb::flush_site && shelf == queue::Shelf::hold) continue;
    if (!command.queues.empty() &&
        std::ranges::find(command.queues, shelf_name(shelf)) == command.queues.end())
      continue;
    if (command.verb == Verb::release && shelf != queue::Shelf::hold) continue;
    Result<> listed;
    co_await workers_.run([&] {
      listed = store_.list(shelf, [&](queue::QueueId id) {
        ids.push_back(id);
        return true;
      });
    });
    if (!listed) log_.warning("{}", listed.error().text());
  }
  if (command.verb != Verb::flush_site) co_return ids;
  std::vector<queue::QueueId> matching;
  for (const queue::QueueId id : ids) {
    const bool matches = co_await goes_to(id, command.items);
    if (matches) matching.push_back(id);
  }
  co_return matching;
}

event::Task<bool> QueueManager::goes_to(queue::QueueId id, const std::vector<std::string>& sites) {
  Result<queue::SpilledMessage> spilled = fail(Trouble::temporary, "");
  co_await workers_.run([&] { spilled = store_.read(queue::Shelf::deferred, id); });
  if (!spilled) co_return false;
  for (const queue::Recipient& recipient : spilled->envelope.recipients) {
    if (recipient.status != queue::RecipientStatus::todo) continue;
    const std::string_view address = recipient.address;
    const std::string_view domain = address.substr(std::min(address.size(), address.rfind('@') + 1));
    for (const std::string& site : sites)
      if (iequals(domain, site)) co_return true;
  }
  co_return false;
}

namespace {

// The envelope is encoded before the first wait: it may be gone after it.
event::Task<> send_entry(ipc::Channel& channel, event::Loop& loop, bool active,
                         const queue::Envelope& envelope) {
  Result<std::string> encoded = queue::encode(envelope);
  if (!encoded) co_return;
  channel.put(protocol::QueueEntry{active, std::move(*encoded)});
  if (channel.pending_output() > 64 * 1024) co_await channel.flush(loop.after(Seconds{60}));
}

}  // namespace

event::Task<> QueueManager::list(ipc::Channel& channel) {
  // Ids first: the queue changes while the listener reads.
  std::vector<queue::QueueId> ids;
  for (const auto& [id, message] : active_) ids.push_back(id);
  std::ranges::sort(ids);
  const std::vector<queue::Found> waiting(backlog_.begin(), backlog_.end());
  for (const queue::QueueId id : ids) {
    const auto found = active_.find(id);
    if (found != active_.end()) co_await send_entry(channel, loop_, true, found->second->envelope);
  }
  for (const queue::Found& found : waiting) {
    const Result<queue::Envelope> envelope = reader_.read_envelope(found.place);
    if (envelope) co_await send_entry(channel, loop_, false, *envelope);
  }
  channel.put(protocol::QueueListEnd{});
  co_await channel.flush(loop_.after(Seconds{60}));
}

}  // namespace postrider::qmgr
