#include "lib/queue/listing.h"

#include <ctime>

#include <fmt/core.h>

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/queue/maildrop.h"

namespace postrider::queue {

namespace {

constexpr std::size_t attribute_limit = 8192;
constexpr std::size_t recipients_limit = 1'000'000;

void attribute(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += '\0';
  out += value;
  out += '\0';
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20)
          out += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
        else
          out += c;
    }
  }
  return out + '"';
}

}  // namespace

ListedMessage listed(std::string_view queue, const Envelope& envelope) {
  ListedMessage message;
  message.queue = queue;
  message.id = envelope.id.text();
  message.arrival = std::chrono::duration_cast<Seconds>(envelope.arrival.time_since_epoch()).count();
  message.size = envelope.size;
  message.forced_expire = envelope.has(flag::expire);
  message.sender = envelope.sender;
  for (const Recipient& recipient : envelope.recipients) {
    if (recipient.status != RecipientStatus::todo) continue;
    message.recipients.push_back({recipient.original, recipient.address, recipient.reason});
  }
  return message;
}

Result<ListedMessage> listed_submission(os::Files& files, const Layout& layout, std::string_view name,
                                        uid_t mail_owner) {
  const auto submission = read_submission(files, layout.maildrop() + "/" + std::string(name), mail_owner);
  if (!submission) return fail(submission.error());
  ListedMessage message = listed("maildrop", submission->envelope);
  message.id = name;
  message.size = submission->content.length;
  message.arrival = std::chrono::duration_cast<Seconds>(submission->arrival.time_since_epoch()).count();
  return message;
}

void append_wire(const ListedMessage& message, std::string& out) {
  attribute(out, "queue_name", message.queue);
  attribute(out, "queue_id", message.id);
  attribute(out, "time", std::to_string(message.arrival));
  attribute(out, "size", std::to_string(message.size));
  attribute(out, "forced_expire", message.forced_expire ? "1" : "0");
  attribute(out, "sender", message.sender);
  for (const ListedRecipient& recipient : message.recipients) {
    if (!recipient.original.empty()) attribute(out, "original_recipient", recipient.original);
    attribute(out, "recipient", recipient.address);
    if (!recipient.reason.empty()) attribute(out, "delay_reason", recipient.reason);
  }
  out += '\0';
}

Result<> ListingParser::feed(std::string_view bytes, const std::function<void(ListedMessage&)>& each) {
  pending_ += bytes;
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const std::size_t name_end = rest.find('\0');
    if (name_end == std::string_view::npos) break;
    if (name_end == 0) {
      rest.remove_prefix(1);
      if (begun_) each(message_);
      message_ = {};
      begun_ = false;
      continue;
    }
    const std::size_t value_end = rest.find('\0', name_end + 1);
    if (value_end == std::string_view::npos) break;
    const std::string_view name = rest.substr(0, name_end);
    const std::string_view value = rest.substr(name_end + 1, value_end - name_end - 1);
    if (value.size() > attribute_limit || message_.recipients.size() > recipients_limit)
      return fail(Trouble::peer, "the queue listing is malformed");
    begun_ = true;
    if (name == "queue_name")
      message_.queue = value;
    else if (name == "queue_id")
      message_.id = value;
    else if (name == "time")
      message_.arrival = parse_number<std::int64_t>(value).value_or(0);
    else if (name == "size")
      message_.size = parse_number<std::uint64_t>(value).value_or(0);
    else if (name == "forced_expire")
      message_.forced_expire = value == "1";
    else if (name == "sender")
      message_.sender = value;
    else if (name == "original_recipient")
      original_ = value;
    else if (name == "recipient")
      message_.recipients.push_back({std::exchange(original_, {}), std::string(value), {}});
    else if (name == "delay_reason" && !message_.recipients.empty())
      message_.recipients.back().reason = value;
    rest.remove_prefix(value_end + 1);
  }
  if (rest.size() > 2 * attribute_limit) return fail(Trouble::peer, "the queue listing is malformed");
  pending_.erase(0, pending_.size() - rest.size());
  return {};
}

std::string mailq_heading(bool long_ids) {
  return long_ids ? "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n"
                  : "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n";
}

std::string mailq_text(const ListedMessage& message, bool long_ids) {
  const std::time_t arrival = message.arrival;
  std::tm parts{};
  localtime_r(&arrival, &parts);
  char when[32];
  // As asctime(3) begins; Postfix's short form takes one character more, the space before the year.
  when[std::strftime(when, sizeof when, long_ids ? "%a %b %e %H:%M:%S" : "%a %b %e %H:%M:%S ", &parts)] =
      '\0';
  const std::string_view mark = message.forced_expire       ? "#"
                                : message.queue == "active" ? "*"
                                : message.queue == "hold"   ? "!"
                                                            : "";
  const std::string id = message.id + std::string(mark);
  const std::string sender = printable(message.sender.empty() ? "MAILER-DAEMON" : message.sender);
  std::string text = long_ids ? fmt::format("{:<17} {:>8} {:>19.19} {}\n", id, message.size, when, sender)
                              : fmt::format("{:<11} {:>7} {:>20.20} {}\n", id, message.size, when, sender);
  // Recipients with the same reason stand under it together.
  const std::string indent(long_ids ? 48 : 41, ' ');
  const std::string* reason = nullptr;
  for (const ListedRecipient& recipient : message.recipients) {
    if (!recipient.reason.empty() && (!reason || *reason != recipient.reason)) {
      const std::string shown = "(" + printable(recipient.reason) + ")";
      text += shown.size() >= 78 ? shown : std::string(78 - shown.size(), ' ') + shown;
      text += '\n';
    }
    reason = &recipient.reason;
    text += indent + printable(recipient.address) + "\n";
  }
  return text + "\n";
}

std::string mailq_trailer(std::uint64_t messages, std::uint64_t bytes) {
  if (messages == 0) return "Mail queue is empty\n";
  return fmt::format("-- {} Kbytes in {} Request{}.\n", bytes / 1024, messages, messages == 1 ? "" : "s");
}

std::string json_line(const ListedMessage& message) {
  std::string line = fmt::format(
      "{{\"queue_name\": {}, \"queue_id\": {}, \"arrival_time\": {}, \"message_size\": {}, "
      "\"forced_expire\": {}, "
      "\"sender\": {}, \"recipients\": [",
      json_string(message.queue), json_string(message.id), message.arrival, message.size,
      message.forced_expire ? "true" : "false", json_string(message.sender));
  bool first = true;
  for (const ListedRecipient& recipient : message.recipients) {
    if (!std::exchange(first, false)) line += ", ";
    line += "{";
    if (!recipient.original.empty() && recipient.original != recipient.address)
      line += fmt::format("\"orig_address\": {}, ", json_string(recipient.original));
    line += fmt::format("\"address\": {}", json_string(recipient.address));
    if (!recipient.reason.empty())
      line += fmt::format(", \"delay_reason\": {}", json_string(recipient.reason));
    line += "}";
  }
  return line + "]}\n";
}

}  // namespace postrider::queue
