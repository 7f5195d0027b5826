#include "cleanup/committer.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace postrider::cleanup {

Committer::Committer(event::Loop& loop, os::Files& files, const Clock& clock, Log& log)
    : loop_(loop), files_(files), clock_(clock), log_(log) {}

Committer::~Committer() {
  if (journal_) journal_->close();
}

Result<> Committer::open(queue::Layout layout, queue::JournalOptions options) {
  notice_ = os::Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!notice_) return fail_errno("eventfd");
  watch_ = std::make_unique<event::Watch>(loop_, notice_.get());
  const int fd = notice_.get();
  auto journal = queue::JournalWriter::open(files_, clock_, log_, std::move(layout), options, [fd] {
    const std::uint64_t one = 1;
    if (::write(fd, &one, sizeof one) < 0) return;  // full: the owner is awake as it is
  });
  if (!journal) return fail(journal.error());
  journal_ = std::move(*journal);
  collector_ = collect();
  collector_.start();
  return {};
}

event::Task<> Committer::collect() {
  for (;;) {
    std::uint64_t count = 0;
    while (::read(notice_.get(), &count, sizeof count) < 0) {
      // The watch tells what is new; what an interrupted read left is not.
      if (errno != EINTR) co_await watch_->readable(no_deadline);
    }
    for (auto& completion : journal_->drain()) {
      const auto waiter = waiters_.find(completion.token);
      if (waiter == waiters_.end()) continue;  // who submitted it is gone
      *waiter->second.outcome = std::move(completion.outcome);
      event::Wait* wait = waiter->second.wait;
      waiters_.erase(waiter);
      wait->wake();
    }
  }
}

event::Task<Result<queue::Place>> Committer::commit(queue::QueueId id, std::string encoded,
                                                    queue::ContentBuffer content) {
  struct Registration {
    Committer& owner;
    std::uint64_t token;
    ~Registration() { owner.waiters_.erase(token); }
  };
  Result<queue::Place> outcome = fail(Trouble::temporary, "not committed");
  event::Wait wait(loop_, no_deadline, {});
  const std::uint64_t token = ++last_token_;
  waiters_[token] = {&wait, &outcome};
  const Registration registration{*this, token};
  // With a clock that is turned by hand, time stands still while the disk works.
  struct Hold {
    event::Loop& loop;
    explicit Hold(event::Loop& held) : loop(held) { loop.hold_time(); }
    ~Hold() { loop.release_time(); }
  };
  const Hold hold(loop_);
  journal_->submit(token, id, std::move(encoded), std::move(content));
  co_await wait;
  co_return outcome;
}

}  // namespace postrider::cleanup
