// What a journal segment looks like on disk, for the writer, the reader and qmgr's recycling.
//
//   page 0   0 "PRSEGM\r\n"   8 crc32c of 12-63   12 version   16 serial (0: free, holds nothing)
//           24 secret        32 bytes of the file 40 slot      rest zero
//   then batches, each beginning on a page: what was acknowledged is never in a page written again
//   batch: record, record, …, zeros up to the page's end
//   record   0 "PRec"         4 crc32c of 8-47     8 secret    16 queue id
//           24 envelope bytes 28 flags            32 content bytes
//           40 crc32c of the envelope             44 crc32c of the content
//           48 envelope, content (unless flag 1: in incoming/<id>.content), zeros up to 8
//
// All numbers little-endian. The secret is random, new with every use of the segment, and never
// leaves the disk: neither bytes of a former life nor a message whose text looks like a record can
// be taken for one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/error.h"
#include "lib/queue/layout.h"

namespace postrider::queue {

inline constexpr std::uint64_t page_bytes = 4096;
inline constexpr std::size_t record_header_bytes = 48;
inline constexpr std::string_view record_magic = "PRec";

struct SegmentHeader {
  SegmentName name;  // serial 0: free
  std::uint64_t secret = 0;
  std::uint64_t bytes = 0;
};
std::string encode(const SegmentHeader& header);  // one page
// Of the first 64 bytes; permanent when damaged.
Result<SegmentHeader> decode_segment_header(std::string_view bytes);

struct RecordHeader {
  QueueId id;
  std::uint64_t secret = 0;
  std::uint32_t envelope_bytes = 0;
  bool in_content_file = false;
  std::uint64_t content_bytes = 0;
  std::uint32_t envelope_checksum = 0;
  std::uint32_t content_checksum = 0;

  std::uint64_t inline_bytes() const { return in_content_file ? 0 : content_bytes; }
  // With header and padding.
  std::uint64_t record_bytes() const;
};
void encode(const RecordHeader& header, std::string& into);
// nullopt when `bytes`, at least record_header_bytes long, begin no record of the segment with that
// secret and size; `offset` is where they stand.
std::optional<RecordHeader> decode_record_header(std::string_view bytes, const SegmentHeader& segment,
                                                 std::uint64_t offset);

// Unpredictable bytes from the kernel.
Result<std::uint64_t> random_secret();

}  // namespace postrider::queue
