#include "lib/event/watch.h"

#include <cerrno>
#include <cstdlib>

#include <event2/event.h>

namespace postrider::event {

Watch::Watch(Loop& loop, int fd) : loop_(loop) {
  ::event* registered =
      event_new(loop.base(), fd, EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, &Watch::arrived, this);
  if (!registered) throw NoRoomToWatch();
  if (event_add(registered, nullptr) != 0) {
    // A regular file or a bad descriptor is a mistake in the program, not an event.
    if (errno == EPERM || errno == EBADF) std::abort();
    event_free(registered);
    throw NoRoomToWatch();
  }
  event_ = registered;
}

Watch::~Watch() {
  if (destroyed_) *destroyed_ = true;
  event_free(static_cast<::event*>(event_));
}

void Watch::arrived(int, short what, void* self) {
  auto& watch = *static_cast<Watch*>(self);
  watch.loop_.note_activity();
  bool destroyed = false;
  watch.destroyed_ = &destroyed;
  const auto deliver = [](Direction& direction) {
    if (direction.waiter)
      direction.waiter->wake();
    else
      direction.edge = true;
  };
  if (what & EV_CLOSED) watch.hung_up_ = true;
  if (what & (EV_READ | EV_CLOSED)) deliver(watch.reading_);
  if (destroyed) return;
  if (what & EV_WRITE) deliver(watch.writing_);
  if (destroyed) return;
  watch.destroyed_ = nullptr;
}

Task<Woken> Watch::wait(Direction& direction, MonoTime deadline, StopToken stop) {
  if (direction.edge) {
    direction.edge = false;
    co_return Woken::ready;
  }
  // Unlinks also when this frame is destroyed while it waits.
  struct Registration {
    Direction& direction;
    ~Registration() { direction.waiter = nullptr; }
  };
  Wait wait(loop_, deadline, stop);
  Registration registration{direction};
  direction.waiter = &wait;
  const Woken woken = co_await wait;
  co_return woken;
}

}  // namespace postrider::event
