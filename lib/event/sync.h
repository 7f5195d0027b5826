// Waiting for each other inside one loop: Notice (something happened) and Semaphore (a limited good).
// Waiters are woken in the order they came. Destroyed only when nobody waits.
#pragma once

#include <cstddef>
#include <list>

#include "lib/event/loop.h"

namespace postrider::event {

// A level that stays until consumed: wait() returns at once when notify() came before it.
class Notice {
 public:
  explicit Notice(Loop& loop) : loop_(loop) {}
  void notify();
  Task<Woken> wait(MonoTime deadline = no_deadline, StopToken stop = {});

 private:
  Loop& loop_;
  bool set_ = false;
  Wait* waiter_ = nullptr;  // one waiter at a time
};

class Semaphore {
 public:
  Semaphore(Loop& loop, std::size_t units) : loop_(loop), free_(units) {}
  // True when a unit was taken; false when the deadline passed or the stop came.
  Task<bool> acquire(MonoTime deadline = no_deadline, StopToken stop = {});
  bool try_acquire();
  void release();
  std::size_t available() const { return free_; }

 private:
  Loop& loop_;
  std::size_t free_;
  std::list<Wait*> waiters_;
};

}  // namespace postrider::event
