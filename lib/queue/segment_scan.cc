#include "lib/queue/segment_scan.h"

#include <algorithm>

#include "lib/base/crc32c.h"
#include "lib/queue/bytes.h"
#include "lib/queue/file_bytes.h"

namespace postrider::queue {

namespace {
constexpr std::uint64_t buffer_bytes = 1U << 20;
}

SegmentScan::SegmentScan(std::unique_ptr<State> state) : state_(std::move(state)) {}
SegmentScan::SegmentScan(SegmentScan&&) noexcept = default;
SegmentScan& SegmentScan::operator=(SegmentScan&&) noexcept = default;
SegmentScan::~SegmentScan() = default;

Result<std::optional<Found>> SegmentScan::next() { return state_->next(); }
void SegmentScan::report_tail(bool yes) { state_->report_tail = yes; }
SegmentName SegmentScan::segment() const { return state_->segment(); }
bool SegmentScan::read_whole() const { return state_->read_whole(); }
const std::vector<SegmentScan::Damage>& SegmentScan::damage() const { return state_->damage(); }
std::uint32_t SegmentScan::end() const { return static_cast<std::uint32_t>(state_->end()); }

// The range as a view, valid until the next call; shorter only where the file ends.
Result<std::string_view> SegmentScan::State::view(std::uint64_t at, std::uint64_t length) {
  if (at >= buffer_at_ && at + length <= buffer_at_ + buffer_.size())
    return std::string_view(buffer_).substr(static_cast<std::size_t>(at - buffer_at_),
                                            static_cast<std::size_t>(length));
  const std::uint64_t wanted = std::min(length, header_.bytes - at);
  auto bytes = read_exactly(files_, fd_.get(), at, static_cast<std::size_t>(wanted));
  if (!bytes) return fail(bytes.error());
  buffer_ = std::move(*bytes);
  buffer_at_ = at;
  return std::string_view(buffer_).substr(0, static_cast<std::size_t>(std::min(length, wanted)));
}

Result<std::optional<Found>> SegmentScan::State::next() {
  while (ready_.empty() && !finished_) {
    const auto more = look();
    if (!more) return fail(more.error());
    if (!*more) finished_ = true;
  }
  if (ready_.empty() && finished_ && report_tail) ready_.swap(held_);
  if (ready_.empty()) return std::optional<Found>();
  Found found = std::move(ready_.front());
  ready_.pop_front();
  if (found.damaged) damage_.push_back({found.place, found.record_bytes});
  return std::optional<Found>(std::move(found));
}

// Takes the next record into ready_ or held_; false at the end of the segment.
Result<bool> SegmentScan::State::look() {
  const auto there = find_record();
  if (!there || !*there) return there;
  const auto bytes = view(position_, record_header_bytes);
  if (!bytes) return fail(bytes.error());
  const auto header = decode_record_header(*bytes, header_, position_);
  if (!header) return fail(Trouble::temporary, "segment changed while it was read");
  auto found = judge(*header);
  if (!found) return fail(found.error());
  const std::uint64_t start = position_;
  position_ = start + header->record_bytes();
  note_gap(start);
  if (found->damaged) {
    held_.push_back(std::move(*found));
  } else {
    // A good record behind it: what was held is damage, not the torn tail.
    std::ranges::move(held_, std::back_inserter(ready_));
    held_.clear();
    ready_.push_back(std::move(*found));
    end_ = position_;
  }
  expected_ = position_;
  return true;
}

// The bytes from position_ on, at least a header of them, which moves over what was never written: that is
// most of a segment whose writer was killed. Empty at the end of the segment.
Result<std::string_view> SegmentScan::State::stretch() {
  const std::uint64_t buffered = buffer_at_ + buffer_.size();
  if (position_ >= buffer_at_ && position_ + record_header_bytes <= buffered)
    return view(position_, buffered - position_);
  while (position_ + record_header_bytes <= header_.bytes) {
    const auto written = files_.written_range(fd_.get(), position_);
    if (!written) return fail(written.error());
    position_ = std::max(position_, written->begin / 8 * 8);
    const std::uint64_t end = std::min(written->end, header_.bytes);
    if (position_ + record_header_bytes <= end)
      return view(position_, std::min(buffer_bytes, end - position_));
    position_ = round_up(std::max(end, position_ + 1), 8);
  }
  return std::string_view();
}

// Moves position_ to the next record header; false when there is none.
Result<bool> SegmentScan::State::find_record() {
  for (;;) {
    const auto bytes = stretch();
    if (!bytes) return fail(bytes.error());
    if (bytes->empty()) break;
    for (std::size_t at = 0; (at = bytes->find(record_magic, at)) != std::string_view::npos; ++at) {
      if ((position_ + at) % 8 != 0) continue;
      if (!decode_record_header(bytes->substr(at), header_, position_ + at)) continue;
      position_ += at;
      return true;
    }
    position_ += (bytes->size() - record_header_bytes) / 8 * 8 + 8;  // a header may straddle two buffers
  }
  position_ = header_.bytes;
  return false;
}

// What lies between the last record and the one at `until` is damage, unless it is the padding that
// ends a batch.
void SegmentScan::State::note_gap(std::uint64_t until) {
  if (until == expected_ || until == round_up(expected_, page_bytes)) return;
  Found gap;
  gap.place = {header_.name, static_cast<std::uint32_t>(expected_)};
  gap.damaged = true;
  gap.trouble = "bytes that are no record";
  gap.record_bytes = until - expected_;
  held_.push_back(std::move(gap));
}

Result<Found> SegmentScan::State::judge(const RecordHeader& header) {
  Found found;
  found.place = {header_.name, static_cast<std::uint32_t>(position_)};
  found.in_content_file = header.in_content_file;
  found.record_bytes = header.record_bytes();
  found.envelope.id = header.id;
  const auto bytes = view(position_, header.record_bytes());
  if (!bytes) return fail(bytes.error());
  const std::string_view envelope = bytes->substr(record_header_bytes, header.envelope_bytes);
  const std::string_view content = bytes->substr(record_header_bytes + header.envelope_bytes,
                                                 static_cast<std::size_t>(header.inline_bytes()));
  found.damaged = true;
  if (crc32c(envelope) != header.envelope_checksum) {
    found.trouble = "envelope damaged";
  } else if (!header.in_content_file && crc32c(content) != header.content_checksum) {
    found.trouble = "content damaged";
  } else if (auto decoded = decode_envelope(envelope); !decoded) {
    found.trouble = decoded.error().text();
  } else if (decoded->id != header.id) {
    found.trouble = "the envelope is of " + decoded->id.text();
  } else {
    found.envelope = std::move(*decoded);
    found.damaged = false;
  }
  return found;
}

}  // namespace postrider::queue
