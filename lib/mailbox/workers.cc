#include "lib/mailbox/workers.h"

#include <system_error>

#include <csignal>

namespace postrider::mailbox {

Workers::Workers(unsigned threads) {
  // Signals belong to the process' main thread.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { serve(); });
  } catch (const std::system_error&) {
    // As many as the system allows; the caller's thread takes part in any case.
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Workers::~Workers() {
  {
    const std::lock_guard held(mutex_);
    stop_ = true;
  }
  more_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void Workers::run(std::size_t count, const std::function<void(std::size_t)>& each) {
  std::unique_lock held(mutex_);
  each_ = &each;
  next_ = finished_ = 0;
  count_ = count;
  if (count > threads_.size()) {
    more_.notify_all();
  } else {
    for (std::size_t i = 1; i < count; ++i) more_.notify_one();
  }
  take_part(held);
  done_.wait(held, [this] { return finished_ == count_; });
  each_ = nullptr;
  next_ = count_ = 0;
}

void Workers::take_part(std::unique_lock<std::mutex>& held) {
  while (next_ < count_) {
    const std::size_t mine = next_++;
    const auto* each = each_;
    held.unlock();
    (*each)(mine);
    held.lock();
    if (++finished_ == count_) done_.notify_one();
  }
}

void Workers::serve() {
  std::unique_lock held(mutex_);
  while (!stop_) {
    take_part(held);
    if (!stop_ && next_ >= count_) more_.wait(held);
  }
}

}  // namespace postrider::mailbox
