#include "lib/queue/envelope.h"

#include <algorithm>
#include <array>

#include "lib/base/text.h"
#include "lib/queue/bytes.h"

// An encoded envelope:  'E' version | field field …     field: varint tag, varint length, bytes
// A recipient is a field whose bytes are fields again. A tag is never given a second meaning; a
// field at its default is left out.

namespace postrider::queue {

namespace {

constexpr char kind = 'E';
constexpr char version = 1;

enum EnvelopeTag : unsigned {
  tag_id = 1,
  tag_arrival = 2,
  tag_sender = 3,
  tag_size = 4,
  tag_flags = 5,
  tag_encoding = 6,
  tag_dsn_return = 7,
  tag_envid = 8,
  tag_full_name = 9,
  tag_content_filter = 10,
  tag_rewrite_context = 11,
  tag_verp_delimiters = 12,
  tag_sasl_method = 13,
  tag_sasl_username = 14,
  tag_sasl_sender = 15,
  tag_orig_queue_id = 16,
  tag_submitter_uid = 17,
  tag_client = 18,
  tag_forwarded = 19,
  tag_recipient = 20,
};

enum RecipientTag : unsigned {
  tag_address = 1,
  tag_original = 2,
  tag_orcpt = 3,
  tag_notify = 4,
  tag_status = 5,
  tag_attempts = 6,
  tag_dsn = 7,
  tag_reason = 8,
  tag_remote_mta = 9,
  tag_remote_reply = 10,
};

// Texts of the envelope proper: where each is, under which tag, and how long it may be.
struct TextField {
  unsigned tag;
  std::string Envelope::* member;
  std::size_t cap;
  const char* name;
};
constexpr std::array text_fields{
    TextField{tag_sender, &Envelope::sender, max_address_bytes, "sender"},
    TextField{tag_envid, &Envelope::envid, max_attribute_bytes, "ENVID"},
    TextField{tag_full_name, &Envelope::full_name, max_attribute_bytes, "full name"},
    TextField{tag_content_filter, &Envelope::content_filter, max_attribute_bytes, "content filter"},
    TextField{tag_rewrite_context, &Envelope::rewrite_context, max_attribute_bytes, "rewrite context"},
    TextField{tag_verp_delimiters, &Envelope::verp_delimiters, max_attribute_bytes, "VERP delimiters"},
    TextField{tag_sasl_method, &Envelope::sasl_method, max_attribute_bytes, "SASL method"},
    TextField{tag_sasl_username, &Envelope::sasl_username, max_attribute_bytes, "SASL user name"},
    TextField{tag_sasl_sender, &Envelope::sasl_sender, max_attribute_bytes, "SASL sender"},
    TextField{tag_orig_queue_id, &Envelope::orig_queue_id, max_attribute_bytes, "original queue id"},
};

struct ClientField {
  unsigned tag;
  std::string ClientAttributes::* member;
  const char* name;
};
constexpr std::array client_fields{
    ClientField{1, &ClientAttributes::name, "client name"},
    ClientField{2, &ClientAttributes::reverse_name, "client reverse name"},
    ClientField{3, &ClientAttributes::address, "client address"},
    ClientField{4, &ClientAttributes::port, "client port"},
    ClientField{5, &ClientAttributes::helo, "HELO name"},
    ClientField{6, &ClientAttributes::protocol, "protocol"},
};

// `cleaned`: text for people, clipped and cleaned rather than refused.
struct RecipientField {
  unsigned tag;
  std::string Recipient::* member;
  std::size_t cap;
  const char* name;
  bool cleaned;
};
constexpr std::array recipient_fields{
    RecipientField{tag_address, &Recipient::address, max_address_bytes, "recipient", false},
    RecipientField{tag_original, &Recipient::original, max_address_bytes, "original recipient", false},
    RecipientField{tag_orcpt, &Recipient::orcpt, max_address_bytes, "ORCPT", false},
    RecipientField{tag_dsn, &Recipient::dsn, 16, "status code", true},
    RecipientField{tag_reason, &Recipient::reason, max_reason_bytes, "reason", true},
    RecipientField{tag_remote_mta, &Recipient::remote_mta, max_attribute_bytes, "remote host", true},
    RecipientField{tag_remote_reply, &Recipient::remote_reply, max_reason_bytes, "remote reply", true},
};

bool one_line(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return c == '\0' || c == '\n' || c == '\r'; });
}

// Why `text` may not stand in an envelope; null when it may.
const char* objection(std::string_view text, std::size_t cap) {
  if (text.size() > cap) return "too long";
  if (!one_line(text)) return "contains a line break or NUL";
  return nullptr;
}

std::unexpected<Error> refuse(std::string_view name, std::string_view why) {
  std::string text("envelope: ");
  text += name;
  text += ' ';
  text += why;
  return fail(Trouble::permanent, std::move(text));
}

Result<> put_text(std::string& into, unsigned tag, std::string_view text, std::size_t cap, const char* name) {
  if (text.empty()) return {};
  if (const char* why = objection(text, cap)) return refuse(name, why);
  put_field(into, tag, text);
  return {};
}

std::string cleaned(std::string_view text, std::size_t cap) {
  std::string clean(text.substr(0, cap));
  for (char& c : clean)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return clean;
}

Result<std::string> encode(const ClientAttributes& client) {
  std::string bytes;
  for (const auto& field : client_fields)
    if (auto put = put_text(bytes, field.tag, client.*field.member, max_attribute_bytes, field.name); !put)
      return fail(put.error());
  return bytes;
}

Result<std::string> encode(const Recipient& recipient) {
  std::string bytes;
  for (const auto& field : recipient_fields) {
    const std::string& text = recipient.*field.member;
    if (field.cleaned) {
      if (!text.empty()) put_field(bytes, field.tag, cleaned(text, field.cap));
    } else if (auto put = put_text(bytes, field.tag, text, field.cap, field.name); !put) {
      return fail(put.error());
    }
  }
  if (recipient.notify != 0) put_number(bytes, tag_notify, recipient.notify);
  if (recipient.status != RecipientStatus::todo)
    put_number(bytes, tag_status, static_cast<std::uint64_t>(recipient.status));
  if (recipient.attempts != 0) put_number(bytes, tag_attempts, recipient.attempts);
  return bytes;
}

Result<> decode(std::string_view bytes, ClientAttributes& client) {
  while (!bytes.empty()) {
    const auto field = take_field(bytes);
    if (!field) return refuse("client", "cut off");
    for (const auto& known : client_fields) {
      if (known.tag != field->tag) continue;
      if (const char* why = objection(field->bytes, max_attribute_bytes)) return refuse(known.name, why);
      client.*known.member = field->bytes;
    }
  }
  return {};
}

Result<> decode(std::string_view bytes, Recipient& recipient) {
  while (!bytes.empty()) {
    const auto field = take_field(bytes);
    if (!field) return refuse("recipient", "cut off");
    for (const auto& known : recipient_fields) {
      if (known.tag != field->tag) continue;
      if (const char* why = objection(field->bytes, known.cap)) return refuse(known.name, why);
      recipient.*known.member = field->bytes;
    }
    if (field->tag == tag_notify) {
      const auto value = field->number(15);
      if (!value) return refuse("NOTIFY", "out of range");
      recipient.notify = static_cast<std::uint8_t>(*value);
    } else if (field->tag == tag_status) {
      const auto value = field->number(2);
      if (!value) return refuse("recipient status", "out of range");
      recipient.status = static_cast<RecipientStatus>(*value);
    } else if (field->tag == tag_attempts) {
      const auto value = field->number(UINT32_MAX);
      if (!value) return refuse("attempts", "out of range");
      recipient.attempts = static_cast<std::uint32_t>(*value);
    }
  }
  return {};
}

Result<> decode_number(const Field& field, Envelope& envelope) {
  const auto number = field.number();
  if (!number) return refuse("number", "malformed");
  switch (field.tag) {
    case tag_id: {
      const auto id = QueueId::from_value(*number);
      if (!id) return refuse("queue id", "malformed");
      envelope.id = *id;
      break;
    }
    case tag_arrival:
      if (*number > static_cast<std::uint64_t>(INT64_MAX)) return refuse("arrival time", "out of range");
      envelope.arrival = WallTime(Microseconds(static_cast<std::int64_t>(*number)));
      break;
    case tag_size:
      if (*number > static_cast<std::uint64_t>(INT64_MAX)) return refuse("size", "out of range");
      envelope.size = *number;
      break;
    case tag_flags:
    case tag_submitter_uid:
      if (*number > UINT32_MAX) return refuse("flags or uid", "out of range");
      (field.tag == tag_flags ? envelope.flags : envelope.submitter_uid) =
          static_cast<std::uint32_t>(*number);
      break;
    case tag_encoding:
      if (*number > 3) return refuse("encoding", "out of range");
      envelope.encoding = static_cast<BodyEncoding>(*number);
      break;
    case tag_dsn_return:
      if (*number > 2) return refuse("RET", "out of range");
      envelope.dsn_return = static_cast<DsnReturn>(*number);
      break;
    default: break;
  }
  return {};
}

bool is_number(std::uint64_t tag) {
  return tag == tag_id || tag == tag_arrival || tag == tag_size || tag == tag_flags || tag == tag_encoding ||
         tag == tag_dsn_return || tag == tag_submitter_uid;
}

Result<> decode_field(const Field& field, Envelope& envelope) {
  if (is_number(field.tag)) return decode_number(field, envelope);
  if (field.tag == tag_client) return decode(field.bytes, envelope.client);
  if (field.tag == tag_forwarded) return decode(field.bytes, envelope.forwarded);
  if (field.tag == tag_recipient) {
    if (envelope.recipients.size() == max_recipients) return refuse("recipients", "are too many");
    return decode(field.bytes, envelope.recipients.emplace_back());
  }
  for (const auto& known : text_fields) {
    if (known.tag != field.tag) continue;
    if (const char* why = objection(field.bytes, known.cap)) return refuse(known.name, why);
    envelope.*known.member = field.bytes;
  }
  return {};
}

}  // namespace

Result<std::string> encode(const Envelope& envelope) {
  std::string bytes;
  bytes.reserve(160 + 64 * envelope.recipients.size());
  bytes += kind;
  bytes += version;
  if (envelope.id) put_number(bytes, tag_id, envelope.id.value());
  if (const auto arrival = envelope.arrival.time_since_epoch().count(); arrival > 0)
    put_number(bytes, tag_arrival, static_cast<std::uint64_t>(arrival));
  if (envelope.size != 0) put_number(bytes, tag_size, envelope.size);
  if (envelope.flags != 0) put_number(bytes, tag_flags, envelope.flags);
  if (envelope.encoding != BodyEncoding::unspecified)
    put_number(bytes, tag_encoding, static_cast<std::uint64_t>(envelope.encoding));
  if (envelope.dsn_return != DsnReturn::unspecified)
    put_number(bytes, tag_dsn_return, static_cast<std::uint64_t>(envelope.dsn_return));
  if (envelope.submitter_uid != 0) put_number(bytes, tag_submitter_uid, envelope.submitter_uid);
  for (const auto& field : text_fields)
    if (auto put = put_text(bytes, field.tag, envelope.*field.member, field.cap, field.name); !put)
      return fail(put.error());
  for (const auto& [tag, client] :
       {std::pair{tag_client, &envelope.client}, std::pair{tag_forwarded, &envelope.forwarded}}) {
    const auto inner = encode(*client);
    if (!inner) return fail(inner.error());
    if (!inner->empty()) put_field(bytes, tag, *inner);
  }
  if (envelope.recipients.size() > max_recipients) return refuse("recipients", "are too many");
  for (const Recipient& recipient : envelope.recipients) {
    const auto inner = encode(recipient);
    if (!inner) return fail(inner.error());
    put_field(bytes, tag_recipient, *inner);
  }
  if (bytes.size() > max_envelope_bytes) return refuse("as a whole", "too long");
  return bytes;
}

Result<Envelope> decode_envelope(std::string_view bytes) {
  if (bytes.size() > max_envelope_bytes) return refuse("as a whole", "too long");
  if (bytes.size() < 2 || bytes[0] != kind) return refuse("start", "is not one");
  if (bytes[1] != version) return refuse("version", "unknown");
  bytes.remove_prefix(2);
  Envelope envelope;
  while (!bytes.empty()) {
    const auto field = take_field(bytes);
    if (!field) return refuse("field", "cut off");
    if (auto decoded = decode_field(*field, envelope); !decoded) return fail(decoded.error());
  }
  return envelope;
}

}  // namespace postrider::queue
