#include "lib/event/workers.h"

#include <cstdint>

#include <sys/eventfd.h>
#include <unistd.h>

namespace postrider::event {

Workers::Workers(Loop& loop, std::size_t threads)
    : loop_(loop), notice_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!notice_) throw NoRoomToWatch();
  watch_ = std::make_unique<Watch>(loop, notice_.get());
  collector_ = collect();
  collector_.start();
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { serve(); });
}

Workers::~Workers() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  arrived_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::size_t Workers::backlog() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

Task<> Workers::run(std::function<void()> job) {
  Wait wait(loop_, no_deadline, {});
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(Job{std::move(job), &wait});
  }
  arrived_.notify_one();
  loop_.hold_time();
  co_await wait;
  loop_.release_time();
}

void Workers::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    arrived_.wait(lock, [this] { return closing_ || !waiting_.empty(); });
    if (closing_) return;
    Job job = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    job.work();
    lock.lock();
    finished_.push_back(job.waiter);
    if (finished_.size() > 1) continue;  // the loop was told and has not collected yet
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(notice_.get(), &one, sizeof one);
  }
}

Task<> Workers::collect() {
  while (true) {
    co_await watch_->readable(no_deadline);
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(notice_.get(), &count, sizeof count);
    std::vector<Wait*> done;
    {
      const std::lock_guard lock(mutex_);
      done.swap(finished_);
    }
    for (Wait* wait : done) wait->wake();
  }
}

}  // namespace postrider::event
