#include "lib/smtp/status.h"

#include <cstddef>

#include <fmt/core.h>

#include "lib/base/text.h"

namespace postrider::smtp {
namespace {

// 1*3digit, no leading zeros (RFC 3463 section 2).
std::optional<std::uint16_t> take_number(std::string_view& text) {
  std::size_t digits = 0;
  while (digits < text.size() && digits < 4 && is_digit(text[digits])) ++digits;
  if (digits == 0 || digits > 3 || (digits > 1 && text[0] == '0')) return std::nullopt;
  const auto number = parse_number<std::uint16_t>(text.substr(0, digits));
  text.remove_prefix(digits);
  return number;
}

}  // namespace

std::string Status::text() const {
  return present() ? fmt::format("{}.{}.{}", unsigned{kind}, subject, detail) : std::string{};
}

std::optional<Status> Status::take(std::string_view& text) {
  std::string_view rest = text;
  if (rest.size() < 5 || (rest[0] != '2' && rest[0] != '4' && rest[0] != '5') || rest[1] != '.')
    return std::nullopt;
  Status status;
  status.kind = static_cast<std::uint8_t>(rest[0] - '0');
  rest.remove_prefix(2);
  const auto subject = take_number(rest);
  if (!subject || !rest.starts_with('.')) return std::nullopt;
  rest.remove_prefix(1);
  const auto detail = take_number(rest);
  if (!detail || !(rest.empty() || is_space(rest.front()))) return std::nullopt;
  status.subject = *subject;
  status.detail = *detail;
  while (!rest.empty() && is_space(rest.front())) rest.remove_prefix(1);
  text = rest;
  return status;
}

std::optional<Status> Status::parse(std::string_view text) {
  if (!text.empty() && is_space(text.back())) return std::nullopt;
  const auto status = take(text);
  return status && text.empty() ? status : std::nullopt;
}

}  // namespace postrider::smtp
