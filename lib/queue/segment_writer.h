// Appends batches of records to segments of one slot and makes them durable. The part of the journal
// writer that touches the disk: synchronous, without threads, so that tests can fail its every call.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/os/files.h"
#include "lib/queue/layout.h"
#include "lib/queue/segment.h"

namespace postrider::queue {

// One message of a batch. The views stay valid during commit().
struct PendingRecord {
  QueueId id;
  std::string_view envelope;  // encoded
  std::string_view content;   // empty when in_content_file
  std::uint64_t content_bytes = 0;
  std::uint32_t content_checksum = 0;
  bool in_content_file = false;
};

class SegmentWriter {
 public:
  // `segment_bytes` is a multiple of the page; `last_serial` was used by this slot before.
  SegmentWriter(os::Files& files, const Clock& clock, Log& log, Layout layout, unsigned slot,
                std::uint64_t segment_bytes, std::uint64_t last_serial)
      : files_(files),
        clock_(clock),
        log_(log),
        layout_(std::move(layout)),
        slot_(slot),
        segment_bytes_(segment_bytes),
        serial_(last_serial) {}
  ~SegmentWriter() { close(); }

  // Writes and syncs; one result per record, in order. A Place means durable. After an error the
  // segment is given up; the rest of the batch goes to a fresh one if one can be had.
  std::vector<Result<Place>> commit(std::span<const PendingRecord> batch);

  // Readies the next segment's blocks while there is time. Errors show when the segment is needed.
  void prepare_spare();
  bool wants_spare() const { return current_ && !spare_ && end_ > header_.bytes / 2; }

  // Gives unused segments back to the pool. The writer may be used again after.
  void close();

  std::uint64_t last_serial() const { return serial_; }
  std::uint64_t segments_opened() const { return opened_; }

 private:
  Result<> make_room(std::uint64_t bytes);
  Result<bool> is_unused(const os::Fd& fd, std::uint64_t bytes);
  Result<> obtain_spare(std::uint64_t bytes);
  Result<> open_segment(std::uint64_t bytes);
  Result<> write_batch(std::span<const PendingRecord> batch, std::uint64_t start, std::vector<Place>& places);
  void give_up();
  std::string claim_path() const;

  os::Files& files_;
  const Clock& clock_;
  Log& log_;
  Layout layout_;
  unsigned slot_;
  std::uint64_t segment_bytes_;
  std::uint64_t serial_;
  std::uint64_t opened_ = 0;

  os::Fd current_;
  SegmentHeader header_;
  std::uint64_t end_ = 0;  // where the next batch begins: page-aligned, page 0 is the header
  os::Fd spare_;           // pool/claim.<slot>, its blocks reserved
  std::uint64_t spare_bytes_ = 0;
};

}  // namespace postrider::queue
