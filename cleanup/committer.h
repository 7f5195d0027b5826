// Between the loop and the journal's threads: a coroutine hands a message over and goes on when it is on
// stable storage, or is not.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "lib/base/log.h"
#include "lib/event/loop.h"
#include "lib/event/scope.h"
#include "lib/event/watch.h"
#include "lib/os/fd.h"
#include "lib/queue/journal_writer.h"

namespace postrider::cleanup {

class Committer {
 public:
  // `clock`, `files` and `log` outlive it, as does the loop. open() before anything else.
  Committer(event::Loop& loop, os::Files& files, const Clock& clock, Log& log);
  ~Committer();
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  Result<> open(queue::Layout layout, queue::JournalOptions options);

  queue::QueueId next_id() { return journal_->next_id(); }
  queue::ContentBuffer new_content(queue::QueueId id) const { return journal_->new_content(id); }
  std::size_t pending_bytes() const { return journal_->pending_bytes(); }

  // The encoded envelope states the id and the content's size.
  event::Task<Result<queue::Place>> commit(queue::QueueId id, std::string encoded,
                                           queue::ContentBuffer content);

 private:
  struct Waiter {
    event::Wait* wait;
    Result<queue::Place>* outcome;
  };
  event::Task<> collect();

  event::Loop& loop_;
  os::Files& files_;
  const Clock& clock_;
  Log& log_;
  os::Fd notice_;  // eventfd
  event::StopSource stop_;
  std::unique_ptr<event::Watch> watch_;
  std::unordered_map<std::uint64_t, Waiter> waiters_;
  std::uint64_t last_token_ = 0;
  std::unique_ptr<queue::JournalWriter> journal_;
  event::Task<> collector_;
};

}  // namespace postrider::cleanup
