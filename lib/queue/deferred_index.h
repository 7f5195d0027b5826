// The sleeping messages: when each is due, in 16 bytes each. A heap of hints, not of truth: the file's
// mtime decides, so an entry taken out is checked against it, and the same id may be in here twice.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/os/files.h"
#include "lib/queue/layout.h"

namespace postrider::queue {

class DeferredIndex {
 public:
  void add(QueueId id, WallTime next_attempt);
  void absorb(const DeferredIndex& other);  // everything in it, as well
  // The message due the longest, and forgets it; nullopt when none is due at `now`.
  std::optional<QueueId> take_due(WallTime now);
  std::optional<WallTime> next_due() const;
  // Nobody sleeps beyond `latest`: for a wall clock that was set back.
  void clamp(WallTime latest);
  void make_all_due();  // flush
  std::size_t size() const { return heap_.size(); }

 private:
  struct Entry {
    std::uint64_t id;
    std::uint32_t due;  // seconds since 1970
  };
  std::vector<Entry> heap_;
};

// Fills the index from deferred/ in small steps, so that qmgr serves new mail from its first second.
class DeferredScan {
 public:
  // A next attempt later than `latest` (a restored backup, a clock that was wrong) is taken as `latest`.
  DeferredScan(os::Files& files, Layout layout, WallTime latest)
      : files_(files), layout_(std::move(layout)), latest_(latest) {}

  // Looks at up to `budget` files; true while there is more. An unreadable directory is an error and
  // is skipped by the next step.
  Result<bool> step(DeferredIndex& index, std::size_t budget);
  // Makes the directories that were skipped the next steps' work; false when there are none.
  bool retry() {
    todo_ = std::exchange(failed_, {});
    return !todo_.empty();
  }
  std::size_t found() const { return found_; }

 private:
  os::Files& files_;
  Layout layout_;
  WallTime latest_;
  std::string todo_ = "0123456789ABCDEF";  // directories, the next one first
  std::string failed_;
  std::vector<QueueId> names_;
  std::size_t found_ = 0;
};

}  // namespace postrider::queue
