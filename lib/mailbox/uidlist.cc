#include "lib/mailbox/uidlist.h"

#include <algorithm>
#include <limits>
#include <optional>

#include <fmt/core.h>

#include "lib/base/text.h"

namespace postrider::mailbox {

namespace {

constexpr std::uint32_t uid_limit = std::numeric_limits<std::uint32_t>::max();  // never a UID

// Takes the text up to the next `separator` off the front; the whole text when there is none.
std::string_view take(std::string_view& text, char separator) {
  const auto at = text.find(separator);
  const auto piece = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
  return piece;
}

struct Header {
  int version = 0;
  std::uint32_t uid_validity = 0;
  std::uint32_t next_uid = 0;
  std::string other;
};

std::optional<Header> parse_header(std::string_view line) {
  Header header;
  const auto version = take(line, ' ');
  if (version == "1") {
    header.version = 1;
    header.uid_validity = parse_number<std::uint32_t>(take(line, ' ')).value_or(0);
    header.next_uid = parse_number<std::uint32_t>(line).value_or(0);
  } else if (version == "3") {
    header.version = 3;
    while (!line.empty()) {
      const auto field = take(line, ' ');
      if (field.empty()) continue;
      const auto value = field.substr(1);
      if (field[0] == 'V') {
        header.uid_validity = parse_number<std::uint32_t>(value).value_or(0);
      } else if (field[0] == 'N') {
        header.next_uid = parse_number<std::uint32_t>(value).value_or(0);
      } else {
        header.other += ' ';
        header.other += field;
      }
    }
  }
  if (header.version == 0 || header.uid_validity == 0 || header.next_uid == 0) return std::nullopt;
  return header;
}

bool is_base_name(std::string_view base) {
  return !base.empty() && base != "." && base != ".." &&
         base.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

std::optional<UidRecord> parse_record(std::string_view line, int version) {
  UidRecord record;
  const auto space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  record.uid = parse_number<std::uint32_t>(line.substr(0, space)).value_or(0);
  auto rest = line.substr(space + 1);
  if (version >= 3) {
    // A field's value may hold a ':', so only one that begins a field ends them.
    std::size_t fields = 0;
    while (!rest.empty() && rest[0] != ':') {
      const auto end = rest.find(' ');
      if (end == std::string_view::npos || !is_alpha(rest[0])) return std::nullopt;
      fields += end + 1;
      rest.remove_prefix(end + 1);
    }
    if (rest.empty()) return std::nullopt;
    if (fields != 0) record.fields = line.substr(space, fields);
    rest.remove_prefix(1);
  }
  record.base = rest.substr(0, rest.find(':'));
  if (record.uid == 0 || record.uid == uid_limit || !is_base_name(record.base)) return std::nullopt;
  return record;
}

}  // namespace

std::string_view uid_field(std::string_view fields, char letter) {
  while (!fields.empty()) {
    const auto field = take(fields, ' ');
    if (!field.empty() && field[0] == letter) return field.substr(1);
  }
  return {};
}

std::string with_uid_field(std::string_view fields, char letter, std::string_view value) {
  std::string result;
  while (!fields.empty()) {
    const auto field = take(fields, ' ');
    if (!field.empty() && field[0] != letter) result += fmt::format(" {}", field);
  }
  return result + fmt::format(" {}{}", letter, value);
}

Result<Uidlist> Uidlist::parse(std::string_view text) {
  const auto wrong = [](std::size_t line, std::string_view why) {
    return fail(Trouble::permanent, fmt::format("line {}: {}", line, why));
  };
  Uidlist list;
  const auto whole = text.rfind('\n') + 1;  // npos + 1 is 0
  list.torn_ = whole != text.size();
  text = list.text_.keep(text.substr(0, whole));
  const auto header = parse_header(take(text, '\n'));
  if (!header) return wrong(1, "not a header of version 1 or 3");
  list.uid_validity_ = header->uid_validity;
  list.header_fields_ = header->other;
  if (header->version < 3 || uid_field(header->other, 'G').empty()) list.torn_ = true;

  list.records_.reserve(text.size() / 60);
  std::uint32_t last = 0;
  for (std::size_t number = 2; !text.empty(); ++number) {
    const auto record = parse_record(take(text, '\n'), header->version);
    if (!record) return wrong(number, "not a record");
    if (record->uid <= last) return wrong(number, "UIDs do not rise");
    last = record->uid;
    list.records_.push_back(*record);
  }
  list.next_uid_ = std::max(header->next_uid, last + 1);
  return list;
}

Uidlist Uidlist::fresh(std::uint32_t uid_validity, std::string_view mailbox_guid) {
  Uidlist list;
  list.uid_validity_ = uid_validity;
  list.header_fields_ = fmt::format(" G{}", mailbox_guid);
  list.torn_ = true;
  return list;
}

Result<std::uint32_t> Uidlist::add(std::string_view base) {
  if (next_uid_ == uid_limit) return fail(Trouble::permanent, "the mailbox has used up its UIDs");
  records_.push_back({next_uid_, {}, text_.keep(base)});
  return next_uid_++;
}

void Uidlist::set_fields(std::size_t record, std::string_view fields) {
  records_[record].fields = text_.keep(fields);
}

void Uidlist::remove(std::span<const std::uint32_t> uids) {
  std::erase_if(records_, [&](const UidRecord& record) {
    return std::binary_search(uids.begin(), uids.end(), record.uid);
  });
}

void Uidlist::set_guid(std::string_view mailbox_guid) {
  header_fields_ = with_uid_field(header_fields_, 'G', mailbox_guid);
}

std::string Uidlist::format_record(const UidRecord& record) {
  return fmt::format("{}{} :{}\n", record.uid, record.fields, record.base);
}

std::string Uidlist::format() const {
  std::string text = fmt::format("3 V{} N{}{}\n", uid_validity_, next_uid_, header_fields_);
  text.reserve(text.size() + records_.size() * 70);
  for (const auto& record : records_) {
    text.append(std::to_string(record.uid)).append(record.fields).append(" :").append(record.base) += '\n';
  }
  return text;
}

}  // namespace postrider::mailbox
