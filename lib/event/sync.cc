#include "lib/event/sync.h"

namespace postrider::event {

void Notice::notify() {
  set_ = true;
  if (waiter_) waiter_->wake_later();
}

Task<Woken> Notice::wait(MonoTime deadline, StopToken stop) {
  if (!set_) {
    struct Registration {
      Wait*& slot;
      ~Registration() { slot = nullptr; }
    };
    Wait wait(loop_, deadline, stop);
    Registration registration{waiter_};
    waiter_ = &wait;
    const Woken woken = co_await wait;
    if (woken == Woken::stopped) co_return woken;
    if (!set_) co_return Woken::timed_out;
  }
  set_ = false;
  co_return Woken::ready;
}

bool Semaphore::try_acquire() {
  if (free_ == 0 || !waiters_.empty()) return false;
  --free_;
  return true;
}

void Semaphore::release() {
  ++free_;
  if (!waiters_.empty()) waiters_.front()->wake_later();
}

Task<bool> Semaphore::acquire(MonoTime deadline, StopToken stop) {
  if (try_acquire()) co_return true;
  struct Registration {
    std::list<Wait*>& list;
    std::list<Wait*>::iterator place;
    ~Registration() { list.erase(place); }
  };
  Wait wait(loop_, deadline, stop);
  Registration registration{waiters_, waiters_.insert(waiters_.end(), &wait)};
  const Woken woken = co_await wait;
  if (woken == Woken::stopped || free_ == 0) co_return false;
  --free_;
  // More may have been released while this waiter was on its way.
  if (free_ > 0 && waiters_.size() > 1) (*std::next(waiters_.begin()))->wake_later();
  co_return true;
}

}  // namespace postrider::event
