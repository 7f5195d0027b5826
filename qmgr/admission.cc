// How messages enter the active queue: announced by cleanup, found in the journal at start, or taken
// from deferred/ when their time has come.
#include <algorithm>

#include "lib/os/socket.h"
#include "lib/protocol/services.h"
#include "qmgr/queue_manager.h"

namespace postrider::qmgr {

namespace {

constexpr Seconds handover_time{15};
constexpr std::size_t scan_budget = 500;  // files or records between two turns of the loop

}  // namespace

Result<> QueueManager::open() {
  if (const Result<> made = queue::create_queue_directories(daemon_.files(), layout_); !made) return made;
  Result<std::unique_ptr<queue::OutcomeJournal>> journal =
      queue::OutcomeJournal::open(daemon_.files(), log_, layout_, {});
  // After a reload the former qmgr may still be finishing; it gives the journal back when it ends.
  const MonoTime patience = loop_.after(handover_time);
  while (!journal && journal.error().is(Trouble::temporary) && loop_.now() < patience) {
    loop_.run_until_done(loop_.sleep(Milliseconds{50}));
    journal = queue::OutcomeJournal::open(daemon_.files(), log_, layout_, {});
  }
  if (!journal) return std::unexpected(journal.error());
  journal_ = std::move(*journal);
  Result<os::Fd> intake = os::listen_unix(std::string(protocol::qmgr_intake), 0600);
  if (!intake) return std::unexpected(intake.error());
  intake_ = std::move(*intake);
  daemon_.tasks().spawn(accept_intake());
  daemon_.tasks().spawn(scan_journal());
  daemon_.tasks().spawn(scan_deferred());
  daemon_.tasks().spawn(admit_when_due());
  daemon_.tasks().spawn(keep_journal_durable());
  daemon_.tasks().spawn(recycle_segments());
  return {};
}

event::Task<> QueueManager::accept_intake() {
  event::Watch watch(loop_, intake_.get());
  event::TaskScope clients(loop_);
  while (!daemon_.draining()) {
    Result<os::Fd> client = os::accept(intake_);
    if (client && *client) {
      clients.spawn(serve_intake(std::move(*client)));
      continue;
    }
    if (!client) {
      log_.warning("accept on {}: {}", protocol::qmgr_intake, client.error().text());
      co_await loop_.sleep(Milliseconds{200}, daemon_.drain_token());
      continue;
    }
    co_await watch.readable(no_deadline, daemon_.drain_token());
  }
  co_await clients.join();
}

event::Task<> QueueManager::serve_intake(os::Fd client) {
  const bool announced = co_await hear_out(std::move(client));
  // What cleanup said and we could not hear is in the journal. It says no more on a closed connection.
  if (announced && !daemon_.draining()) co_await scan_journal();
}

// Until the client leaves. False when it was no cleanup.
event::Task<bool> QueueManager::hear_out(os::Fd client) {
  ipc::Channel channel(loop_, std::move(client), daemon_.drain_token());
  bool asks = false;
  try {
    while (true) {
      ipc::Frame frame = co_await channel.receive(no_deadline);
      if (const auto queued = frame.as<protocol::Queued>()) {
        announce(*queued);
      } else if (auto command = frame.as<protocol::QueueCommand>()) {
        asks = true;
        const protocol::QueueCommandDone done = co_await obey(std::move(*command));
        co_await channel.send(done, loop_.after(Seconds{60}));
      } else if (frame.as<protocol::ListQueue>()) {
        asks = true;
        co_await list(channel);
      } else {
        log_.warning("{}: unknown or malformed request", protocol::qmgr_intake);
        break;
      }
    }
  } catch (const io::Ended&) {
    // The client has nothing more to say; what it did say is done.
  }
  co_return !asks;
}

void QueueManager::announce(const protocol::Queued& queued) {
  const queue::Place place = queued.place();
  if (!journal_->arrived(place)) return;
  queue::Found found;
  found.place = place;
  found.in_content_file = queued.in_content_file;
  Result<queue::Envelope> envelope = queue::decode_envelope(queued.envelope);
  if (!envelope) {
    // What was committed is what counts.
    envelope = reader_.read_envelope(place);
  }
  if (!envelope) {
    daemon_.tasks().spawn(read_later(std::move(found), envelope.error()));
    return;
  }
  found.envelope = std::move(*envelope);
  admit_found(std::move(found));
}

// The journal knows the message as arrived; it goes to the active queue, or waits in line.
void QueueManager::admit_found(queue::Found found) {
  if (active_.size() >= static_cast<std::size_t>(config_.active_limit())) {
    // Only the place is kept: a flood of mail waits on the disk, not in memory.
    const queue::QueueId id = found.envelope.id;
    found.envelope = {};
    found.envelope.id = id;
    backlog_.push_back(std::move(found));
    return;
  }
  if (active_.contains(found.envelope.id)) {
    daemon_.tasks().spawn(admit_later(std::move(found)));
    return;
  }
  auto message = std::make_unique<Message>();
  message->envelope = std::move(found.envelope);
  message->place = found.place;
  message->in_content_file = found.in_content_file;
  journal_->apply(found.place, message->envelope);
  admit(std::move(message));
}

void QueueManager::admit(std::unique_ptr<Message> message) {
  Message& admitted = *message;
  const queue::QueueId id = admitted.envelope.id;
  if (!active_.try_emplace(id, std::move(message)).second) {
    log_.warning("{}: skipped, still being delivered", id);
    return;
  }
  admitted.activated = daemon_.clock().wall();
  admitted.resolving = true;
  const queue::Envelope& envelope = admitted.envelope;
  if (envelope.has(queue::flag::hold)) {
    admitted.wish = Message::Wish::hold;
  } else if (envelope.has(queue::flag::discard)) {
    admitted.wish = Message::Wish::remove;
  } else {
    log_.info("{}: from=<{}>, size={}, nrcpt={} (queue active)", id, envelope.sender, envelope.size,
              envelope.recipients.size());
  }
  daemon_.tasks().spawn(resolve(admitted));
}

// Another message of the same id, which may come again (doc/queue.md): one after the other.
event::Task<> QueueManager::admit_later(queue::Found found) {
  log_.warning("{}: waits, one of the same id is still being delivered", found.envelope.id);
  const bool woken = co_await loop_.sleep(config_.transport_retry(), daemon_.drain_token());
  if (!woken) co_return;
  backlog_.push_back(std::move(found));
  take_from_backlog();
}

void QueueManager::take_from_backlog() {
  while (!backlog_.empty() && active_.size() < static_cast<std::size_t>(config_.active_limit())) {
    queue::Found found = std::move(backlog_.front());
    backlog_.pop_front();
    Result<queue::Envelope> envelope = reader_.read_envelope(found.place);
    if (!envelope) {
      daemon_.tasks().spawn(read_later(std::move(found), envelope.error()));
      continue;
    }
    found.envelope = std::move(*envelope);
    admit_found(std::move(found));
  }
}

// A message that is in the journal and could not be read: the cause may be over soon. What is damaged stays
// in its segment, which is kept.
event::Task<> QueueManager::read_later(queue::Found found, Error error) {
  if (error.is(Trouble::permanent) || error.is(Trouble::not_found)) {
    log_.warning("{}: cannot be read: {}; see prsuper -s", found.envelope.id, error.text());
    co_return;
  }
  log_.warning("{}: cannot be read: {}; will try again", found.envelope.id, error.text());
  const bool woken = co_await loop_.sleep(config_.transport_retry(), daemon_.drain_token());
  if (!woken) co_return;
  backlog_.push_back(std::move(found));
  take_from_backlog();
}

// ---- the journal, at start

event::Task<> QueueManager::scan_journal() {
  if (journal_scans_++ > 0) co_return;
  for (unsigned done = 0; done != journal_scans_;) {
    done = journal_scans_;
    co_await scan_segments();
  }
  journal_scans_ = 0;
}

event::Task<> QueueManager::scan_segments() {
  const Result<std::vector<queue::SegmentName>> segments = reader_.segments();
  if (!segments) {
    daemon_.fail_later(segments.error().text());
    co_return;
  }
  for (const queue::SegmentName& name : *segments) {
    if (daemon_.draining()) co_return;
    (void)co_await scan_segment(name);
  }
}

// The scan, which came to the segment's end; an error when it could not. not_found: the segment is void.
event::Task<Result<queue::SegmentScan>> QueueManager::scan_segment(queue::SegmentName name) {
  Result<queue::SegmentScan> scan = reader_.scan(name);
  if (!scan) {
    if (!scan.error().is(Trouble::not_found))
      log_.warning("{}: {}; see prsuper -s", name.text(), scan.error().text());
    co_return scan;
  }
  std::size_t seen = 0;
  while (!daemon_.draining()) {
    Result<std::optional<queue::Found>> found = scan->next();
    if (!found) {
      log_.warning("{}: {}", name.text(), found.error().text());
      co_return fail(found.error());
    }
    if (!*found) co_return scan;
    if ((*found)->damaged) {
      log_.warning("{}: damaged record at {} in {}: {}; see prsuper -s", (*found)->envelope.id,
                   (*found)->place.offset, name.text(), (*found)->trouble);
    } else if (journal_->arrived((*found)->place) && !settled_before(**found)) {
      admit_found(std::move(**found));
    }
    if (++seen % scan_budget == 0) co_await loop_.yield();
  }
  co_return fail(Trouble::temporary, "stopping");
}

// Whether a qmgr that was killed, or the power with it, had done with the message and could not say so.
bool QueueManager::settled_before(const queue::Found& found) {
  const queue::QueueId id = found.envelope.id;
  // Put aside: the file counts. It is tried when its time comes, and the record not at all.
  for (const queue::Shelf shelf : {queue::Shelf::deferred, queue::Shelf::hold}) {
    if (!store_.exists(shelf, id)) continue;
    const Result<queue::SpilledMessage> spilled = store_.read(shelf, id);
    if (!spilled || spilled->envelope.arrival != found.envelope.arrival ||
        spilled->envelope.sender != found.envelope.sender)
      continue;
    journal_->spilled(found.place);
    dirty_.notify();
    return true;
  }
  // The content file was durable before the record was; it goes when the message has been delivered.
  if (!found.in_content_file) return false;
  const Result<os::FileStatus> content = daemon_.files().lstat(layout_.content(id));
  if (content || !content.error().is(Trouble::not_found)) return false;
  log_.info("{}: was delivered before the last stop", id);
  journal_->removed(found.place);
  dirty_.notify();
  return true;
}

// ---- deferred/

event::Task<> QueueManager::scan_deferred() {
  if (std::exchange(scanning_deferred_, true)) co_return;
  const WallTime latest = daemon_.clock().wall() + config_.maximal_backoff();
  queue::DeferredScan scan(daemon_.files(), layout_, latest);
  do {
    scanning_deferred_ = true;
    bool more = true;
    while (more && !daemon_.draining()) {
      // The thread fills an index of its own: what is put aside meanwhile goes into ours.
      Result<bool> stepped = false;
      queue::DeferredIndex part;
      co_await workers_.run([&] { stepped = scan.step(part, scan_budget); });
      index_.absorb(part);
      if (!stepped) {
        log_.warning("{}; will try again", stepped.error().text());
        continue;
      }
      more = *stepped;
      due_.notify();
    }
    scanning_deferred_ = false;
    if (flush_after_scan_) flush_all();
    if (!scan.retry()) break;
    co_await loop_.sleep(config_.transport_retry(), daemon_.drain_token());
  } while (!daemon_.draining());
}

event::Task<> QueueManager::admit_when_due() {
  WallTime before = daemon_.clock().wall();
  while (!daemon_.draining()) {
    const WallTime now = daemon_.clock().wall();
    if (now < std::exchange(before, now)) index_.clamp(now + config_.maximal_backoff());
    std::size_t taken = 0;
    // Old mail may fill at most half of the active queue, and lets new mail through in between.
    while (!scanning_deferred_ && active_.size() < static_cast<std::size_t>(config_.active_limit()) / 2 + 1) {
      const std::optional<queue::QueueId> id = index_.take_due(now);
      if (!id) break;
      const bool forced = flushed_ > 0;
      if (forced) --flushed_;
      activate_deferred(*id, forced);
      if (++taken % 50 == 0) co_await loop_.yield();
    }
    const std::optional<WallTime> next = scanning_deferred_ ? std::nullopt : index_.next_due();
    MonoTime deadline = no_deadline;
    // Wall time may jump: look again at least every minute.
    if (next)
      deadline = loop_.after(
          std::clamp<Microseconds>(*next - daemon_.clock().wall(), Milliseconds{10}, Seconds{60}));
    if (next && *next <= daemon_.clock().wall()) deadline = no_deadline;  // due, but there is no room
    co_await due_.wait(deadline, daemon_.drain_token());
  }
}

// `forced`: a flush, which tries what is not due as well.
bool QueueManager::activate_deferred(queue::QueueId id, bool forced) {
  if (const auto active = active_.find(id); active != active_.end()) {
    // Another message of this id is on its way, from the journal: the file's turn comes when that has left.
    if (active->second->place) index_.add(id, daemon_.clock().wall() + Seconds{2});
    return false;
  }
  Result<queue::SpilledMessage> spilled = store_.read(queue::Shelf::deferred, id);
  if (!spilled) {
    const Error& error = spilled.error();
    if (error.is(Trouble::not_found)) return false;
    if (!error.is(Trouble::permanent)) {
      // The disk or our descriptors, not the file.
      log_.warning("{}: {}; will try again", id, error.text());
      index_.add(id, daemon_.clock().wall() + config_.transport_retry());
    } else {
      log_.warning("{}: {}; moved to corrupt/", id, error.text());
      if (const Result<> moved =
              store_.move(id, queue::Shelf::deferred, queue::Shelf::corrupt, daemon_.clock().wall());
          !moved)
        log_.warning("{}: {}", id, moved.error().text());
    }
    return false;
  }
  // Somebody moved the file's time: believe the file, unless its time is from before the clock was set back.
  const WallTime now = daemon_.clock().wall();
  if (!forced && spilled->next_attempt > now + Seconds{1} &&
      spilled->next_attempt <= now + config_.maximal_backoff()) {
    index_.add(id, spilled->next_attempt);
    return false;
  }
  auto message = std::make_unique<Message>();
  message->stored = spilled->envelope;
  message->envelope = std::move(spilled->envelope);
  admit(std::move(message));
  return true;
}

}  // namespace postrider::qmgr
