// The inside of SegmentScan: finds records in a segment that may hold damage.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/os/fd.h"
#include "lib/os/files.h"
#include "lib/queue/queue_reader.h"
#include "lib/queue/segment.h"

namespace postrider::queue {

// Whether a process owns the slot.
bool slot_in_use(os::Files& files, const Layout& layout, unsigned slot);

struct SegmentScan::State {
  State(os::Files& files, os::Fd fd, SegmentHeader header, std::uint64_t from)
      : files_(files),
        fd_(std::move(fd)),
        header_(header),
        began_(from),
        position_(from),
        expected_(from),
        end_(from) {}

  Result<std::optional<Found>> next();

  bool report_tail = false;
  std::uint64_t end() const { return end_; }
  SegmentName segment() const { return header_.name; }
  bool read_whole() const { return finished_ && ready_.empty() && began_ == page_bytes; }
  const std::vector<Damage>& damage() const { return damage_; }

 private:
  Result<std::string_view> view(std::uint64_t at, std::uint64_t length);
  Result<std::string_view> stretch();
  Result<bool> look();
  Result<bool> find_record();
  void note_gap(std::uint64_t until);
  Result<Found> judge(const RecordHeader& header);

  os::Files& files_;
  os::Fd fd_;
  SegmentHeader header_;
  std::string buffer_;
  std::uint64_t buffer_at_ = 0;
  const std::uint64_t began_;
  std::uint64_t position_;  // where to look next
  std::uint64_t expected_;  // where the last record ended
  std::uint64_t end_;       // where the last good record ended
  std::deque<Found> held_;  // damaged, not yet known to be followed by a good record
  std::deque<Found> ready_;
  std::vector<Damage> damage_;
  bool finished_ = false;
};

}  // namespace postrider::queue
