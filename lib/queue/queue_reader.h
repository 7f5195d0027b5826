// Reads journal segments: one message at its place, or all that a segment holds. For qmgr, which
// never writes them, and for the tools. Stateless but for a small cache of open segments; one thread.
//
// Everything read is checked (magic, the segment's secret, CRC-32C), because a crash leaves torn
// records and a reused segment holds bytes of its former life.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/os/fd.h"
#include "lib/os/files.h"
#include "lib/queue/content.h"
#include "lib/queue/envelope.h"
#include "lib/queue/layout.h"

namespace postrider::queue {

struct Message {
  Envelope envelope;
  Content content;
  bool in_content_file = false;  // incoming/<id>.content, to be removed with the message
  std::uint32_t content_checksum = 0;
};

// One record as a scan meets it.
struct Found {
  Place place;
  Envelope envelope;  // of a damaged record only the id, when even that is known
  bool in_content_file = false;
  bool damaged = false;
  std::string trouble;             // what is wrong with a damaged record
  std::uint64_t record_bytes = 0;  // the extent in the segment, for saving a damaged one
};

class SegmentScan;

class QueueReader {
 public:
  QueueReader(os::Files& files, Layout layout);
  ~QueueReader();

  // not_found: no such segment (used again since), or nothing valid at the place.
  // permanent: the record is there and damaged.
  Result<Message> read(Place place);
  Result<Envelope> read_envelope(Place place);

  // The segments there are, oldest first per slot.
  Result<std::vector<SegmentName>> segments();
  // Whether a process owns the slot; its newest segment is then still being written.
  bool slot_in_use(unsigned slot);

  // A scan from the beginning, or from a place where an earlier one ended. not_found when the segment
  // is free or gone; permanent when its header is damaged.
  Result<SegmentScan> scan(SegmentName name, std::uint32_t from = 0);

  // Forgets the cached descriptor, before a segment is recycled.
  void forget(SegmentName name);

 private:
  struct Open;
  struct Record;
  Result<Open*> open_segment(SegmentName name);
  Result<Record> read_record(Place place);
  os::Files& files_;
  Layout layout_;
  std::vector<std::unique_ptr<Open>> cache_;
};

// Yields a segment's records in order, a buffer at a time, so that a caller can pause between any two.
class SegmentScan {
 public:
  SegmentScan(SegmentScan&&) noexcept;
  SegmentScan& operator=(SegmentScan&&) noexcept;
  ~SegmentScan();

  // The next record; nullopt at the end. A damaged record is reported only when it cannot be the
  // torn tail, that is when a valid one follows it; `report_tail` reports that one as well (for
  // prsuper). An error means the segment could not be read (temporary).
  Result<std::optional<Found>> next();
  void report_tail(bool yes);
  // After the end: where the next record would begin, for resuming a scan of a live segment.
  std::uint32_t end() const;

  SegmentName segment() const;
  // Whether next() has gone from the segment's first record to its end: what recycling takes for granted.
  bool read_whole() const;
  // The extents of the damaged records reported so far, for keeping copies of them.
  struct Damage {
    Place place;
    std::uint64_t bytes = 0;
  };
  const std::vector<Damage>& damage() const;

 private:
  friend class QueueReader;
  struct State;
  explicit SegmentScan(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace postrider::queue
