#include "cleanup/header_block.h"

#include <algorithm>
#include <array>

#include "lib/address/header.h"
#include "lib/base/text.h"
#include "lib/message/header.h"

namespace postrider::cleanup {

namespace {

constexpr std::uint32_t saw_message_id = 1, saw_date = 2, saw_from = 4, saw_recipient = 8,
                        saw_resent_message_id = 16, saw_resent_date = 32, saw_resent_from = 64;

constexpr std::array<std::string_view, 9> sender_headers{"from",
                                                         "sender",
                                                         "reply-to",
                                                         "errors-to",
                                                         "return-receipt-to",
                                                         "resent-from",
                                                         "resent-sender",
                                                         "resent-reply-to",
                                                         "disposition-notification-to"};
constexpr std::array<std::string_view, 7> recipient_headers{
    "to", "cc", "bcc", "apparently-to", "resent-to", "resent-cc", "resent-bcc"};

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::ranges::any_of(names, [&](std::string_view one) { return iequals(one, name); });
}

// The body of a header as it stands in `part`: behind the colon and the blanks after it.
std::size_t body_begin(std::string_view part) {
  const std::size_t colon = part.find(':');
  if (colon == std::string_view::npos) return part.size();
  std::size_t at = colon + 1;
  while (at < part.size() && (part[at] == ' ' || part[at] == '\t')) ++at;
  return at;
}

std::string_view name_of(std::string_view part) {
  return trim(part.substr(0, std::min(part.find(':'), part.size())));
}

}  // namespace

HeaderBlock::HeaderBlock(std::string_view content, const Rules& rules) : address_limit_(rules.address_limit) {
  message::HeaderScanner scanner(content, {.field = rules.field_limit});
  while (const auto field = scanner.next()) {
    if (field->mailbox_line) continue;
    note(field->name, field->body);
    const bool dropped = std::ranges::any_of(
        rules.dropped, [&](const std::string& name) { return iequals(name, field->name); });
    if (dropped) continue;
    std::string& part = parts_.emplace_back();
    if (field->cut) {
      part = field->name;
      part += ": ";
      part += field->body;
    } else {
      part = field->raw;
    }
    if (!part.ends_with('\n')) part += '\n';
  }
  body_offset_ = scanner.body_offset();
}

void HeaderBlock::note(std::string_view name, std::string_view body) {
  if (std::ranges::any_of(body, [](char c) { return static_cast<unsigned char>(c) > 0x7f; }))
    has_8bit_ = true;
  if (istarts_with(name, "resent-")) {
    resent_ = true;
    const std::string_view rest = name.substr(7);
    if (iequals(rest, "message-id")) {
      seen_ |= saw_resent_message_id;
      if (resent_message_id_.empty()) resent_message_id_ = trim(message::unfold(body));
    }
    if (iequals(rest, "date")) seen_ |= saw_resent_date;
    if (iequals(rest, "from")) seen_ |= saw_resent_from;
    if (iequals(rest, "to") || iequals(rest, "cc")) seen_ |= saw_recipient;
    return;
  }
  if (iequals(name, "received")) ++hops_;
  if (iequals(name, "message-id")) {
    seen_ |= saw_message_id;
    if (message_id_.empty()) message_id_ = trim(message::unfold(body));
  }
  if (iequals(name, "date")) seen_ |= saw_date;
  if (iequals(name, "from")) seen_ |= saw_from;
  if (iequals(name, "to") || iequals(name, "cc")) seen_ |= saw_recipient;
}

std::string HeaderBlock::message_id_line() const {
  std::string line;
  if (!message_id_.empty()) line = "message-id=" + message_id_;
  if (line.empty() && !resent_message_id_.empty()) line = "resent-message-id=" + resent_message_id_;
  return line;
}

std::vector<HeaderAddress> HeaderBlock::addresses() const {
  std::vector<HeaderAddress> found;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const std::string& part = parts_[i];
    const std::string_view name = name_of(part);
    const bool of_sender = is_one_of(sender_headers, name);
    if (!of_sender && !is_one_of(recipient_headers, name)) continue;
    const std::size_t begin = body_begin(part);
    const std::string_view body = std::string_view(part).substr(begin);
    const auto list = address::parse_address_list(body, address_limit_);
    for (const auto& mailbox : list.mailboxes) {
      if (mailbox.address.empty()) continue;
      HeaderAddress& one = found.emplace_back();
      one.of_sender = of_sender;
      one.text = one.original_ = mailbox.address.internal();
      one.part_ = i;
      one.begin_ = begin + mailbox.begin;
      one.end_ = begin + mailbox.end;
    }
  }
  return found;
}

void HeaderBlock::replace(const std::vector<HeaderAddress>& addresses) {
  // From the back, so that the places in front stay true.
  for (auto one = addresses.rbegin(); one != addresses.rend(); ++one) {
    if (one->text == one->original_ || one->text.empty()) continue;
    parts_[one->part_].replace(one->begin_, one->end_ - one->begin_,
                               address::Address::from_internal(one->text).text());
  }
}

void HeaderBlock::complete(const Completion& with) {
  const std::string prefix = resent_ ? "Resent-" : "";
  if (missing(resent_ ? saw_resent_message_id : saw_message_id)) {
    std::string id = message::make_message_id(with.arrival, with.queue_id, with.hostname);
    parts_.push_back(message::format_header(prefix + "Message-Id", id));
    (resent_ ? resent_message_id_ : message_id_) = std::move(id);
  }
  if (missing(resent_ ? saw_resent_date : saw_date))
    parts_.push_back(message::format_header(prefix + "Date", message::format_date(with.arrival, with.zone)));
  if (missing(resent_ ? saw_resent_from : saw_from)) {
    std::string from;
    if (with.sender.empty())
      from = "MAILER-DAEMON@" + with.origin + " (Mail Delivery System)";
    else
      from = address::format_mailbox(with.full_name, address::Address::from_internal(with.sender));
    parts_.push_back(message::format_header(prefix + "From", from));
  }
  if (missing(saw_recipient) && message::header_name_size(with.undisclosed) > 0)
    parts_.push_back(with.undisclosed + "\n");
}

std::string HeaderBlock::text() const {
  std::string all;
  for (const std::string& part : parts_) all += part;
  return all;
}

}  // namespace postrider::cleanup
