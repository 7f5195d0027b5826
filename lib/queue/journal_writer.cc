#include "lib/queue/journal_writer.h"

#include <signal.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "lib/queue/segment_writer.h"
#include "lib/queue/slot.h"

namespace postrider::queue {

namespace {

struct Job {
  std::uint64_t token;
  QueueId id;
  std::string envelope;
  ContentBuffer content;
};

// Threads of the journal take no signals: those are the loop's.
template <class F>
std::thread start_thread(F&& run) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::forward<F>(run));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace

// Two threads: one commits batches; the other makes content files durable first, so that a large
// message holds up nobody else's acknowledgement.
class JournalWriter::Committer {
 public:
  Committer(os::Files& files, const Clock& clock, Log& log, Layout layout, JournalOptions options, Slot slot,
            std::function<void()> notify)
      : files_(files),
        layout_(std::move(layout)),
        options_(options),
        notify_(std::move(notify)),
        slot_(std::move(slot)),
        ids_(clock, slot_.number(), options.long_ids, slot_.ids_until()),
        segments_(files, clock, log, layout_, slot_.number(), options.segment_bytes, slot_.last_serial()),
        committing_(start_thread([this] { commit_all(); })),
        syncing_(start_thread([this] { sync_all(); })) {}

  ~Committer() { close(); }

  void close() {
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return;
      closed_ = closing_ = true;
    }
    to_sync_ready_.notify_one();
    syncing_.join();
    {
      const std::lock_guard lock(mutex_);
      synced_all_ = true;
    }
    to_commit_ready_.notify_one();
    committing_.join();
    segments_.close();
  }

  void submit(Job job, Result<> acceptable) {
    const bool needs_sync = job.content.in_file();
    std::unique_lock lock(mutex_);
    ++pending_;
    if (acceptable && closing_) acceptable = fail(Trouble::temporary, "the queue is closing");
    if (!acceptable) {
      complete(lock, job.token, fail(acceptable.error()));
      return;
    }
    if (!needs_sync) pending_bytes_ += job.content.size();
    (needs_sync ? to_sync_ : to_commit_).push_back(std::move(job));
    lock.unlock();
    (needs_sync ? to_sync_ready_ : to_commit_ready_).notify_one();
  }

  std::vector<Completion> drain() {
    const std::lock_guard lock(mutex_);
    return std::exchange(completed_, {});
  }

  unsigned slot() const { return slot_.number(); }
  QueueId next_id() {
    const QueueId id = ids_.next();
    slot_.note_id(ids_.last());
    return id;
  }
  ContentBuffer new_content(QueueId id) const {
    return ContentBuffer(files_, layout_.content(id), options_.content_threshold);
  }
  std::size_t pending() const {
    const std::lock_guard lock(mutex_);
    return pending_;
  }
  std::size_t pending_bytes() const {
    const std::lock_guard lock(mutex_);
    return pending_bytes_;
  }
  Counters counters() const {
    const std::lock_guard lock(mutex_);
    return counters_;
  }

 private:
  // With the lock held; wakes the owner when there was nothing for it to fetch.
  void complete(std::unique_lock<std::mutex>&, std::uint64_t token, Result<Place> outcome) {
    const bool first = completed_.empty();
    --pending_;
    ++(outcome ? counters_.messages : counters_.failures);
    completed_.push_back({token, std::move(outcome)});
    if (first) notify_();
  }

  void commit_all() {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (to_commit_.empty() && !synced_all_ && segments_.wants_spare()) {
        lock.unlock();
        segments_.prepare_spare();
        lock.lock();
      }
      to_commit_ready_.wait(lock, [this] { return !to_commit_.empty() || synced_all_; });
      if (to_commit_.empty()) return;
      std::vector<Job> batch = std::exchange(to_commit_, {});
      lock.unlock();
      commit(lock, batch);
    }
  }

  // Everything that arrived while the last batch was written; `lock` is not held at the start and is
  // at the end.
  void commit(std::unique_lock<std::mutex>& lock, std::vector<Job>& batch) {
    std::vector<PendingRecord> records;
    records.reserve(batch.size());
    for (const Job& job : batch)
      records.push_back({job.id, job.envelope, job.content.memory_, job.content.size(),
                         job.content.checksum(), job.content.in_file()});
    auto results = segments_.commit(records);
    slot_.note_serial(segments_.last_serial());
    for (std::size_t i = 0; i < batch.size(); ++i)
      if (results[i]) batch[i].content.fd_.reset();  // the file now belongs to the queue
    lock.lock();
    ++counters_.batches;
    counters_.segments = segments_.segments_opened();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      pending_bytes_ -= batch[i].content.memory_.size();
      complete(lock, batch[i].token, std::move(results[i]));
    }
    // Freed here and not in the owner's thread, without holding it up.
    lock.unlock();
    batch.clear();
    lock.lock();
  }

  void sync_all() {
    std::unique_lock lock(mutex_);
    for (;;) {
      to_sync_ready_.wait(lock, [this] { return !to_sync_.empty() || closing_; });
      if (to_sync_.empty()) return;
      std::vector<Job> batch = std::exchange(to_sync_, {});
      lock.unlock();
      std::vector<Result<>> results;
      for (const Job& job : batch) results.push_back(files_.fsync(job.content.fd_.get()));
      const Result<> named = files_.sync_directory(layout_.incoming());
      std::vector<Job> failed;
      lock.lock();
      for (std::size_t i = 0; i < batch.size(); ++i) {
        const Result<>& result = results[i] ? named : results[i];
        if (result) {
          to_commit_.push_back(std::move(batch[i]));
        } else {
          complete(lock, batch[i].token, fail(result.error()));
          failed.push_back(std::move(batch[i]));
        }
      }
      lock.unlock();
      to_commit_ready_.notify_one();
      failed.clear();  // unlinks
      batch.clear();
      lock.lock();
    }
  }

  os::Files& files_;
  const Layout layout_;
  const JournalOptions options_;
  const std::function<void()> notify_;
  Slot slot_;               // ids: owner's thread; serial: committing thread
  QueueIdSource ids_;       // owner's thread
  SegmentWriter segments_;  // committing thread

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable to_commit_ready_, to_sync_ready_;
  std::vector<Job> to_commit_, to_sync_;
  std::vector<Completion> completed_;
  std::size_t pending_ = 0, pending_bytes_ = 0;
  Counters counters_;
  bool closing_ = false, synced_all_ = false, closed_ = false;

  std::thread committing_, syncing_;
};

Result<std::unique_ptr<JournalWriter>> JournalWriter::open(os::Files& files, const Clock& clock, Log& log,
                                                           Layout layout, JournalOptions options,
                                                           std::function<void()> notify) {
  options.segment_bytes =
      std::clamp<std::uint64_t>(options.segment_bytes / page_bytes * page_bytes, 16 * page_bytes, 1ULL << 30);
  auto slot = Slot::take(files, layout);
  if (!slot) return fail(slot.error());
  return std::unique_ptr<JournalWriter>(new JournalWriter(std::make_unique<Committer>(
      files, clock, log, std::move(layout), options, std::move(*slot), std::move(notify))));
}

JournalWriter::JournalWriter(std::unique_ptr<Committer> committer) : committer_(std::move(committer)) {}
JournalWriter::~JournalWriter() = default;

void JournalWriter::close() { committer_->close(); }
unsigned JournalWriter::slot() const { return committer_->slot(); }
QueueId JournalWriter::next_id() { return committer_->next_id(); }
ContentBuffer JournalWriter::new_content(QueueId id) const { return committer_->new_content(id); }
std::vector<JournalWriter::Completion> JournalWriter::drain() { return committer_->drain(); }
std::size_t JournalWriter::pending() const { return committer_->pending(); }
std::size_t JournalWriter::pending_bytes() const { return committer_->pending_bytes(); }
JournalWriter::Counters JournalWriter::counters() const { return committer_->counters(); }

void JournalWriter::submit(std::uint64_t token, Envelope& envelope, ContentBuffer content) {
  envelope.size = content.size();
  auto encoded = encode(envelope);
  if (!encoded) {
    committer_->submit({token, envelope.id, {}, std::move(content)}, fail(encoded.error()));
    return;
  }
  submit(token, envelope.id, std::move(*encoded), std::move(content));
}

void JournalWriter::submit(std::uint64_t token, QueueId id, std::string encoded, ContentBuffer content) {
  Result<> acceptable = content.failed_;
  if (acceptable && !id) acceptable = fail(Trouble::permanent, "a message without a queue id");
  committer_->submit({token, id, std::move(encoded), std::move(content)}, std::move(acceptable));
}

}  // namespace postrider::queue
