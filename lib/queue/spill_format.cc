#include "lib/queue/spill_format.h"

#include <algorithm>
#include <array>

#include "lib/base/crc32c.h"
#include "lib/queue/bytes.h"
#include "lib/queue/segment.h"

namespace postrider::queue {

namespace {

constexpr std::string_view spill_magic = "PRSPILL1";
constexpr std::uint32_t spill_version = 1;
constexpr std::size_t max_status_bytes = 64U << 20;

enum StatusTag : unsigned { tag_flags = 1, tag_recipient = 2 };
enum ChangeTag : unsigned {
  tag_index = 1,
  tag_status = 2,
  tag_attempts = 3,
  tag_dsn = 4,
  tag_reason = 5,
  tag_remote_mta = 6,
  tag_remote_reply = 7,
};

struct TextField {
  unsigned tag;
  std::string Recipient::* member;
  std::size_t cap;
};
constexpr std::array text_fields{
    TextField{tag_dsn, &Recipient::dsn, 16},
    TextField{tag_reason, &Recipient::reason, max_reason_bytes},
    TextField{tag_remote_mta, &Recipient::remote_mta, max_attribute_bytes},
    TextField{tag_remote_reply, &Recipient::remote_reply, max_reason_bytes},
};

bool same_state(const Recipient& a, const Recipient& b) {
  return a.status == b.status && a.attempts == b.attempts && a.dsn == b.dsn && a.reason == b.reason &&
         a.remote_mta == b.remote_mta && a.remote_reply == b.remote_reply;
}

std::string clean(std::string_view text, std::size_t cap) {
  std::string out(text.substr(0, cap));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return out;
}

bool apply_change(std::string_view bytes, Envelope& envelope) {
  Recipient* recipient = nullptr;
  while (!bytes.empty()) {
    const auto field = take_field(bytes);
    if (!field) return false;
    if (field->tag == tag_index) {
      const auto index = field->number();
      if (!index || *index >= envelope.recipients.size()) return false;
      recipient = &envelope.recipients[static_cast<std::size_t>(*index)];
      continue;
    }
    if (recipient == nullptr) return false;  // the index comes first
    if (field->tag == tag_status) {
      const auto status = field->number(2);
      if (!status) return false;
      recipient->status = static_cast<RecipientStatus>(*status);
    } else if (field->tag == tag_attempts) {
      const auto attempts = field->number(UINT32_MAX);
      if (!attempts) return false;
      recipient->attempts = static_cast<std::uint32_t>(*attempts);
    } else {
      for (const TextField& known : text_fields)
        if (known.tag == field->tag) recipient->*known.member = clean(field->bytes, known.cap);
    }
  }
  return true;
}

}  // namespace

std::string encode(const SpillHeader& header) {
  std::string page(spill_magic);
  put<std::uint32_t>(page, 0);
  put<std::uint32_t>(page, spill_version);
  put<std::uint64_t>(page, header.id.value());
  put<std::uint64_t>(page, header.content_bytes);
  put<std::uint32_t>(page, header.content_checksum);
  put<std::uint32_t>(page, header.envelope_bytes);
  put<std::uint32_t>(page, header.envelope_checksum);
  page.resize(content_offset, '\0');
  put_at(page, 8, crc32c(std::string_view(page).substr(12, spill_header_bytes - 12)));
  return page;
}

Result<SpillHeader> decode_spill_header(std::string_view bytes) {
  if (bytes.size() < spill_header_bytes || !bytes.starts_with(spill_magic))
    return fail(Trouble::permanent, "not a queue file");
  if (get<std::uint32_t>(bytes, 8) != crc32c(bytes.substr(12, spill_header_bytes - 12)))
    return fail(Trouble::permanent, "header damaged");
  if (get<std::uint32_t>(bytes, 12) != spill_version)
    return fail(Trouble::permanent, "of an unknown version");
  const auto id = QueueId::from_value(get<std::uint64_t>(bytes, 16));
  SpillHeader header;
  header.content_bytes = get<std::uint64_t>(bytes, 24);
  header.content_checksum = get<std::uint32_t>(bytes, 32);
  header.envelope_bytes = get<std::uint32_t>(bytes, 36);
  header.envelope_checksum = get<std::uint32_t>(bytes, 40);
  if (!id || header.content_bytes > (1ULL << 50) || header.envelope_bytes > max_envelope_bytes)
    return fail(Trouble::permanent, "header damaged");
  header.id = *id;
  return header;
}

std::string encode_status(const Envelope& before, const Envelope& after) {
  std::string payload;
  put_number(payload, tag_flags, after.flags);
  for (std::size_t i = 0; i < after.recipients.size(); ++i) {
    const Recipient& now = after.recipients[i];
    if (i < before.recipients.size() && same_state(before.recipients[i], now)) continue;
    std::string change;
    put_number(change, tag_index, i);
    put_number(change, tag_status, static_cast<std::uint64_t>(now.status));
    put_number(change, tag_attempts, now.attempts);
    for (const TextField& field : text_fields)
      put_field(change, field.tag, clean(now.*field.member, field.cap));
    put_field(payload, tag_recipient, change);
  }
  std::string block(status_magic);
  put<std::uint32_t>(block, 0);
  put<std::uint32_t>(block, static_cast<std::uint32_t>(payload.size()));
  put<std::uint32_t>(block, 0);
  block += payload;
  put_at(block, 4, crc32c(std::string_view(block).substr(8)));
  block.resize(static_cast<std::size_t>(round_up(block.size(), 8)), '\0');
  return block;
}

std::optional<std::uint64_t> apply_status(std::string_view bytes, Envelope& envelope) {
  if (bytes.size() < status_header_bytes || !bytes.starts_with(status_magic)) return std::nullopt;
  const auto length = get<std::uint32_t>(bytes, 8);
  if (length > max_status_bytes || status_header_bytes + length > bytes.size()) return std::nullopt;
  if (get<std::uint32_t>(bytes, 4) != crc32c(bytes.substr(8, 8 + length))) return std::nullopt;
  std::string_view payload = bytes.substr(status_header_bytes, length);
  while (!payload.empty()) {
    const auto field = take_field(payload);
    if (!field) return std::nullopt;
    if (field->tag == tag_flags) {
      const auto flags = field->number(UINT32_MAX);
      if (!flags) return std::nullopt;
      envelope.flags = static_cast<std::uint32_t>(*flags);
    } else if (field->tag == tag_recipient && !apply_change(field->bytes, envelope)) {
      return std::nullopt;
    }
  }
  return round_up(status_header_bytes + length, 8);
}

}  // namespace postrider::queue
