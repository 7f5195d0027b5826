// Readiness of one descriptor, edge-triggered: registered with the kernel once, for its whole life.
//
// Use: try the system call; on EAGAIN await readable() or writable(), then try again. At most one
// waiter per direction. The descriptor must stay open as long as the watch.
#pragma once

#include "lib/event/loop.h"

namespace postrider::event {

class Watch {
 public:
  Watch(Loop& loop, int fd);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  Task<Woken> readable(MonoTime deadline, StopToken stop = {}) { return wait(reading_, deadline, stop); }
  Task<Woken> writable(MonoTime deadline, StopToken stop = {}) { return wait(writing_, deadline, stop); }

 private:
  struct Direction {
    Wait* waiter = nullptr;
    bool edge = false;  // an edge arrived while nobody waited
  };
  Task<Woken> wait(Direction& direction, MonoTime deadline, StopToken stop);
  static void arrived(int fd, short what, void* self);

  Loop& loop_;
  void* event_;  // libevent's struct event, whose name would hide this namespace
  Direction reading_;
  Direction writing_;
  bool* destroyed_ = nullptr;  // set while a callback runs
};

}  // namespace postrider::event
