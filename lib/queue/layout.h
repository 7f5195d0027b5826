// Names inside the queue directory, in one place.
//
//   incoming/seg.<slot>.<serial>   journal segments, one written by each cleanup process
//   incoming/<id>.content          content above the threshold, with its record in a segment
//   incoming/slot.<slot>           locked by the process that owns the slot
//   incoming/pool/                 segments to be used again, and those being prepared
//   active/outcome.<n>             the outcome journal of qmgr
//   deferred/<letter>/<id>, hold/<id>, corrupt/<name>    one file per message
//   maildrop/<name>                left by prdrop for pickup
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/error.h"
#include "lib/os/files.h"
#include "lib/queue/queue_id.h"

namespace postrider::queue {

// A segment's name. `serial` grows with every segment of a slot and is never used again.
struct SegmentName {
  std::uint64_t serial = 0;
  std::uint8_t slot = 0;
  auto operator<=>(const SegmentName&) const = default;
  std::string text() const;  // "seg.05.0005f2c9a8b01c40"
  static std::optional<SegmentName> parse(std::string_view text);
};

// Where a committed message is: given to qmgr, key of the outcome journal.
struct Place {
  SegmentName segment;
  std::uint32_t offset = 0;  // of the record in the segment
  auto operator<=>(const Place&) const = default;
};

// Where a message rests that left the journal.
enum class Shelf : std::uint8_t { deferred, hold, corrupt };
std::string_view shelf_name(Shelf shelf);

class Layout {
 public:
  explicit Layout(std::string queue_directory) : root_(std::move(queue_directory)) {}
  const std::string& root() const { return root_; }
  std::string incoming() const { return root_ + "/incoming"; }
  std::string pool() const { return root_ + "/incoming/pool"; }
  std::string active() const { return root_ + "/active"; }
  std::string maildrop() const { return root_ + "/maildrop"; }
  std::string segment(SegmentName name) const { return incoming() + "/" + name.text(); }
  std::string content(QueueId id) const { return incoming() + "/" + id.text() + ".content"; }
  std::string slot(unsigned slot) const;
  std::string shelf(Shelf shelf) const { return root_ + "/" + std::string(shelf_name(shelf)); }
  std::string shelf_directory(Shelf shelf, QueueId id) const;  // deferred/<letter>, hold, corrupt
  std::string spilled(Shelf shelf, QueueId id) const;

 private:
  std::string root_;
};

// Makes the directories this room needs (mode 0700), except maildrop/, whose owner, group and mode
// 1770 the installation sets.
Result<> create_queue_directories(os::Files& files, const Layout& layout);

}  // namespace postrider::queue

template <>
struct std::hash<postrider::queue::SegmentName> {
  std::size_t operator()(const postrider::queue::SegmentName& name) const noexcept {
    return static_cast<std::size_t>(((name.serial * 64 + name.slot) * 0x9e3779b97f4a7c15U) >> 7);
  }
};
