// The queue's entrance: the journal a cleanup process appends new messages to.
//
// Any number of submissions may be under way; a committer thread writes everything that is pending
// into the current segment, issues one fdatasync, and completes all of them: group commit. A
// completion with a Place is the promise that envelope and content are on stable storage; nothing
// else is. Used from one event loop: submit(), then drain() when `notify` was called.
//
// No space: submissions fail with Trouble::no_space until a segment can be allocated again, which
// every submission tries. A write or sync that failed is never repeated into an acknowledgement: the
// segment is given up and the next batch opens a fresh one.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/os/files.h"
#include "lib/queue/content_buffer.h"
#include "lib/queue/envelope.h"
#include "lib/queue/layout.h"

namespace postrider::queue {

struct JournalOptions {
  std::uint64_t segment_bytes = 64ULL << 20;   // size a segment is preallocated with
  std::size_t content_threshold = 256U << 10;  // larger content gets a file of its own
  std::size_t pool_limit = 4;                  // segments kept for reuse, beyond that they are unlinked
  bool long_ids = false;                       // enable_long_queue_ids
};

class JournalWriter {
 public:
  struct Completion {
    std::uint64_t token = 0;  // as given to submit
    Result<Place> outcome;
  };

  // Takes the first free slot. Fails when all 64 are taken (temporary) or the directory is unusable.
  // `notify` is called from another thread whenever completions became available after drain()
  // left none; it must only wake the owner (write an eventfd). files, clock and log outlive the writer.
  static Result<std::unique_ptr<JournalWriter>> open(os::Files& files, const Clock& clock, Log& log,
                                                     Layout layout, JournalOptions options,
                                                     std::function<void()> notify);
  // Commits what was submitted, joins the threads, gives the slot back. Completions not drained are
  // lost, so drain after close() when they matter.
  ~JournalWriter();
  void close();

  unsigned slot() const;
  QueueId next_id();  // owner's thread only

  // Gathers the content of one message. The buffer may outlive neither the writer nor submit().
  ContentBuffer new_content(QueueId id) const;

  // Hands a message over; never blocks on the disk. envelope.size is set from the content. What can
  // be refused at once (an envelope over its caps) completes like everything else, through drain().
  void submit(std::uint64_t token, Envelope& envelope, ContentBuffer content);
  // The same for an envelope encoded already, its id and size those given here.
  void submit(std::uint64_t token, QueueId id, std::string encoded, ContentBuffer content);

  // Everything that completed since the last call, in no particular order.
  std::vector<Completion> drain();

  // Submissions not yet completed; bytes of content they hold in memory.
  std::size_t pending() const;
  std::size_t pending_bytes() const;

  // For logs and tests.
  struct Counters {
    std::uint64_t messages = 0, batches = 0, segments = 0, failures = 0;
  };
  Counters counters() const;

 private:
  class Committer;
  explicit JournalWriter(std::unique_ptr<Committer> committer);
  std::unique_ptr<Committer> committer_;
};

}  // namespace postrider::queue
