// Readiness of one descriptor, edge-triggered: registered with the kernel once, for its whole life.
//
// Use: try the system call; on EAGAIN await readable() or writable(), then try again. At most one
// waiter per direction. The descriptor must stay open as long as the watch.
//
// A read that brought less than it asked for took all there was, and what comes later makes an edge: such
// a reader may wait at once, unless hung_up(), since the end may have come with the bytes.
#pragma once

#include <stdexcept>

#include "lib/event/loop.h"

namespace postrider::event {

// The kernel has no room to watch one more descriptor (epoll_ctl(2): ENOSPC, ENOMEM).
class NoRoomToWatch final : public std::runtime_error {
 public:
  NoRoomToWatch() : std::runtime_error("no room to watch another descriptor") {}
};

class Watch {
 public:
  Watch(Loop& loop, int fd);  // throws NoRoomToWatch
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  Task<Woken> readable(MonoTime deadline, StopToken stop = {}) { return wait(reading_, deadline, stop); }
  Task<Woken> writable(MonoTime deadline, StopToken stop = {}) { return wait(writing_, deadline, stop); }
  // The peer has closed its side: there is an end to be read, now or after what is left.
  bool hung_up() const { return hung_up_; }

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
  bool hung_up_ = false;
  bool* destroyed_ = nullptr;  // set while a callback runs
};

}  // namespace postrider::event
