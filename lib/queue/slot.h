// A writing process's slot (0-63): what makes its queue ids and segments distinct from everybody
// else's. Held by a lock on incoming/slot.<n> for the life of the process; the file remembers how far
// ids and serials got, so that a successor goes on after them even when the clock went back.
#pragma once

#include <cstdint>
#include <memory>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/os/files.h"
#include "lib/queue/layout.h"

namespace postrider::queue {

class Slot {
 public:
  // The first that nobody holds; temporary when all are taken.
  static Result<Slot> take(os::Files& files, const Layout& layout);

  unsigned number() const { return number_; }
  WallTime ids_until() const { return ids_until_; }      // no id made so far is later
  std::uint64_t last_serial() const { return serial_; }  // of any segment of this slot so far

  // Called with the newest id's time; writes ahead, so most calls do nothing. A note that could not be
  // written is written with the next id. Losing it costs nothing unless ids are ahead of the clock, which
  // they are after it went back or after many starts: then an id may come again, and qmgr takes one after the
  // other.
  void note_id(WallTime time);
  void note_serial(std::uint64_t serial);

 private:
  Slot(os::Files& files, os::Fd fd, unsigned number) : files_(&files), fd_(std::move(fd)), number_(number) {}
  Result<> recall(const Layout& layout);

  os::Files* files_;
  os::Fd fd_;
  unsigned number_;
  WallTime ids_until_{};
  std::uint64_t serial_ = 0;
};

}  // namespace postrider::queue
