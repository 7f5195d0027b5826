#include "lib/queue/segment.h"

#include <sys/random.h>

#include "lib/base/crc32c.h"
#include "lib/queue/bytes.h"
#include "lib/queue/envelope.h"

namespace postrider::queue {

namespace {
constexpr std::string_view segment_magic = "PRSEGM\r\n";
constexpr std::uint32_t segment_version = 1;
constexpr std::size_t checked_header_bytes = 64;
constexpr std::uint32_t flag_content_file = 1;
}  // namespace

std::string encode(const SegmentHeader& header) {
  std::string page(segment_magic);
  put<std::uint32_t>(page, 0);
  put<std::uint32_t>(page, segment_version);
  put<std::uint64_t>(page, header.name.serial);
  put<std::uint64_t>(page, header.secret);
  put<std::uint64_t>(page, header.bytes);
  put<std::uint32_t>(page, header.name.slot);
  page.resize(page_bytes, '\0');
  put_at(page, 8, crc32c(std::string_view(page).substr(12, checked_header_bytes - 12)));
  return page;
}

Result<SegmentHeader> decode_segment_header(std::string_view bytes) {
  if (bytes.size() < checked_header_bytes || !bytes.starts_with(segment_magic))
    return fail(Trouble::permanent, "not a journal segment");
  if (get<std::uint32_t>(bytes, 8) != crc32c(bytes.substr(12, checked_header_bytes - 12)))
    return fail(Trouble::permanent, "segment header damaged");
  if (get<std::uint32_t>(bytes, 12) != segment_version)
    return fail(Trouble::permanent, "segment of an unknown version");
  SegmentHeader header;
  header.name.serial = get<std::uint64_t>(bytes, 16);
  header.secret = get<std::uint64_t>(bytes, 24);
  header.bytes = get<std::uint64_t>(bytes, 32);
  const auto slot = get<std::uint32_t>(bytes, 40);
  if (slot >= slot_count || header.bytes > UINT32_MAX)
    return fail(Trouble::permanent, "segment header damaged");
  header.name.slot = static_cast<std::uint8_t>(slot);
  return header;
}

std::uint64_t RecordHeader::record_bytes() const {
  return round_up(record_header_bytes + envelope_bytes + inline_bytes(), 8);
}

void encode(const RecordHeader& header, std::string& into) {
  const std::size_t start = into.size();
  into += record_magic;
  put<std::uint32_t>(into, 0);
  put<std::uint64_t>(into, header.secret);
  put<std::uint64_t>(into, header.id.value());
  put<std::uint32_t>(into, header.envelope_bytes);
  put<std::uint32_t>(into, header.in_content_file ? flag_content_file : 0);
  put<std::uint64_t>(into, header.content_bytes);
  put<std::uint32_t>(into, header.envelope_checksum);
  put<std::uint32_t>(into, header.content_checksum);
  put_at(into, start + 4, crc32c(std::string_view(into).substr(start + 8, record_header_bytes - 8)));
}

std::optional<RecordHeader> decode_record_header(std::string_view bytes, const SegmentHeader& segment,
                                                 std::uint64_t offset) {
  if (bytes.size() < record_header_bytes || !bytes.starts_with(record_magic)) return std::nullopt;
  if (get<std::uint64_t>(bytes, 8) != segment.secret) return std::nullopt;
  if (get<std::uint32_t>(bytes, 4) != crc32c(bytes.substr(8, record_header_bytes - 8))) return std::nullopt;
  const auto id = QueueId::from_value(get<std::uint64_t>(bytes, 16));
  if (!id) return std::nullopt;
  RecordHeader header;
  header.id = *id;
  header.secret = segment.secret;
  header.envelope_bytes = get<std::uint32_t>(bytes, 24);
  header.in_content_file = (get<std::uint32_t>(bytes, 28) & flag_content_file) != 0;
  header.content_bytes = get<std::uint64_t>(bytes, 32);
  header.envelope_checksum = get<std::uint32_t>(bytes, 40);
  header.content_checksum = get<std::uint32_t>(bytes, 44);
  if (header.envelope_bytes > max_envelope_bytes) return std::nullopt;
  if (header.inline_bytes() > segment.bytes || offset + header.record_bytes() > segment.bytes)
    return std::nullopt;
  return header;
}

Result<std::uint64_t> random_secret() {
  std::uint64_t secret = 0;
  if (::getrandom(&secret, sizeof secret, 0) != sizeof secret) return fail_errno("getrandom");
  return secret;
}

}  // namespace postrider::queue
