#include "lib/mailbox/maildir_name.h"

#include <algorithm>
#include <array>
#include <utility>

#include <unistd.h>

#include <fmt/core.h>

#include "lib/base/text.h"

namespace postrider::mailbox {

namespace {

// The number after the first occurrence of `key`, if its digits end where a field may end.
std::optional<std::uint64_t> size_field(std::string_view base, std::string_view key) {
  const auto at = base.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  const auto digits = base.substr(at + key.size());
  return parse_number<std::uint64_t>(digits.substr(0, digits.find(',')));
}

// Digits at the front of `text`, taken off it.
std::uint64_t leading_number(std::string_view& text) {
  std::size_t end = 0;
  while (end < text.size() && is_digit(text[end])) ++end;
  const auto value = parse_number<std::uint64_t>(text.substr(0, end));
  text.remove_prefix(end);
  return value.value_or(0);
}

std::array<std::uint64_t, 2> arrival_time(std::string_view base) {
  const std::uint64_t seconds = leading_number(base);
  std::uint64_t microseconds = 0;
  if (base.starts_with(".M")) {
    base.remove_prefix(2);
    microseconds = leading_number(base);
  }
  return {seconds, microseconds};
}

}  // namespace

MaildirName parse_maildir_name(std::string_view name) {
  MaildirName parsed;
  const auto colon = name.find(':');
  parsed.base = name.substr(0, colon);
  if (colon != std::string_view::npos && name.substr(colon + 1).starts_with("2,")) {
    parsed.flags = name.substr(colon + 3);
    parsed.flags = parsed.flags.substr(0, parsed.flags.find(','));
  }
  parsed.size = size_field(parsed.base, ",S=");
  parsed.virtual_size = size_field(parsed.base, ",W=");
  return parsed;
}

std::string with_flags(std::string_view name, std::string_view add, std::string_view remove) {
  const auto parsed = parse_maildir_name(name);
  std::string letters(parsed.flags);
  letters += add;
  std::erase_if(letters, [&](char c) { return remove.find(c) != std::string_view::npos; });
  std::sort(letters.begin(), letters.end());
  letters.erase(std::unique(letters.begin(), letters.end()), letters.end());

  std::string_view rest;
  if (parsed.flags.data() != nullptr) {
    const auto flags_at = static_cast<std::size_t>(parsed.flags.data() - name.data());
    rest = name.substr(flags_at + parsed.flags.size());
  }
  return fmt::format("{}:2,{}{}", parsed.base, letters, rest);
}

bool arrived_before(std::string_view base_a, std::string_view base_b) {
  const auto a = arrival_time(base_a), b = arrival_time(base_b);
  return a != b ? a < b : base_a < base_b;
}

std::string maildir_host(std::string_view host) {
  std::string safe;
  for (const char c : host.substr(0, 100)) {
    if (c == '/') {
      safe += "\\057";
    } else if (c == ':') {
      safe += "\\072";
    } else if (c == ',') {
      safe += "\\054";
    } else if (c > ' ' && c < 0x7f) {
      safe += c;
    }
  }
  return safe.empty() ? "localhost" : safe;
}

UniqueNames::UniqueNames(const Clock& clock, std::string_view host)
    : clock_(clock), host_(maildir_host(host)) {}

std::string UniqueNames::next() {
  last_ = std::max(clock_.wall().time_since_epoch(), last_ + Microseconds{1});
  const auto seconds = last_.count() / 1'000'000, microseconds = last_.count() % 1'000'000;
  return fmt::format("{}.M{}P{}Q{}.{}", seconds, microseconds, ::getpid(), ++sequence_, host_);
}

}  // namespace postrider::mailbox
