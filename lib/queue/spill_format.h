// What a spilled message's file looks like on disk.
//
//   page 0     0 "PRSPILL1"   8 crc32c of 12-55   12 version   16 queue id
//             24 content bytes   32 crc32c of the content   36 envelope bytes
//             40 crc32c of the envelope   44-55 zero   rest unused
//   4096      content, then zeros up to 8, then the envelope, then zeros up to 8
//   then      status blocks: 0 "PRst"  4 crc32c of 8-  8 bytes of the payload  12 zero
//             16 payload, zeros up to 8
//
// A status payload is fields: 1 the envelope's flags, 2 a recipient's new state (its index and the
// fields of a recipient that change). The first block that does not check ends the file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/error.h"
#include "lib/queue/content_buffer.h"
#include "lib/queue/envelope.h"

namespace postrider::queue {

inline constexpr std::size_t spill_header_bytes = 56;
inline constexpr std::size_t status_header_bytes = 16;
inline constexpr std::string_view status_magic = "PRst";

struct SpillHeader {
  QueueId id;
  std::uint64_t content_bytes = 0;
  std::uint32_t content_checksum = 0;
  std::uint32_t envelope_bytes = 0;
  std::uint32_t envelope_checksum = 0;

  std::uint64_t envelope_offset() const { return (content_offset + content_bytes + 7) / 8 * 8; }
  std::uint64_t status_offset() const { return (envelope_offset() + envelope_bytes + 7) / 8 * 8; }
};
std::string encode(const SpillHeader& header);  // one page
Result<SpillHeader> decode_spill_header(std::string_view bytes);

// A status block saying how `after` differs from `before`, the same message earlier.
std::string encode_status(const Envelope& before, const Envelope& after);
// Applies the block that `bytes` begin with; the bytes it takes, or nullopt when there is none.
std::optional<std::uint64_t> apply_status(std::string_view bytes, Envelope& envelope);

}  // namespace postrider::queue
