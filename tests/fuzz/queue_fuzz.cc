// The queue's decoders of bytes that a disk or another process may have spoiled: envelopes, status
// blocks (their checksum made right, so that the payload is reached), headers.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/base/crc32c.h"
#include "lib/queue/bytes.h"
#include "lib/queue/envelope.h"
#include "lib/queue/segment.h"
#include "lib/queue/spill_format.h"

using namespace postrider::queue;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] & 3) {
    case 0: {
      const auto envelope = decode_envelope(bytes);
      if (!envelope) break;
      const auto again = encode(*envelope);
      if (!again && bytes.size() < max_envelope_bytes / 2) std::abort();  // what decodes can be written again
      if (again && encode(*decode_envelope(*again)) != *again) std::abort();
      break;
    }
    case 1: {
      std::string block(status_magic);
      put<std::uint32_t>(block, 0);
      put<std::uint32_t>(block, static_cast<std::uint32_t>(bytes.size()));
      put<std::uint32_t>(block, 0);
      block += bytes;
      put_at(block, 4, postrider::crc32c(std::string_view(block).substr(8)));
      Envelope envelope;
      envelope.recipients.resize(3);
      (void)apply_status(block, envelope);
      if (!encode(envelope)) std::abort();
      break;
    }
    case 2: (void)decode_spill_header(bytes); break;
    default: {
      (void)decode_segment_header(bytes);
      SegmentHeader segment;
      segment.bytes = 1U << 20;
      if (bytes.size() >= 16) segment.secret = get<std::uint64_t>(bytes, 8);
      (void)decode_record_header(bytes, segment, 4096);
      (void)QueueId::parse(bytes);
      (void)SegmentName::parse(bytes);
    }
  }
  return 0;
}
