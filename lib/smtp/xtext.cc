#include "lib/smtp/xtext.h"

#include <cstddef>
#include <cstdint>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/base/utf8.h"

namespace postrider::smtp {
namespace {

bool append_utf8(std::string& out, std::uint32_t c) {
  std::string bytes;
  if (c < 0x80) {
    bytes += static_cast<char>(c);
  } else if (c < 0x800) {
    bytes += static_cast<char>(0xc0 | c >> 6);
    bytes += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    bytes += static_cast<char>(0xe0 | c >> 12);
    bytes += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    bytes += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    bytes += static_cast<char>(0xf0 | c >> 18);
    bytes += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    bytes += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    bytes += static_cast<char>(0x80 | (c & 0x3f));
  }
  out += bytes;
  return c <= 0x10ffff && is_utf8(bytes);
}

}  // namespace

std::string xtext_encode(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f || c == '+' || c == '=')
      out += fmt::format("+{:02X}", unsigned{byte});
    else
      out += c;
  }
  return out;
}

std::optional<std::string> xtext_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte <= 0x20 || byte >= 0x7f) return std::nullopt;
    if (text[i] != '+') {
      out += text[i];
      continue;
    }
    const auto decoded = i + 2 < text.size() ? hex_decode(text.substr(i + 1, 2)) : std::nullopt;
    if (!decoded) return std::nullopt;
    out += *decoded;
    i += 2;
  }
  return out;
}

std::optional<std::string> utf8_address_decode(std::string_view text) {
  if (!is_utf8(text)) return std::nullopt;
  std::string out;
  while (!text.empty()) {
    if (text.front() == '\\' && !text.starts_with("\\x{")) return std::nullopt;
    if (text.front() != '\\') {
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    const std::size_t close = text.find('}');
    if (close == std::string_view::npos || close > 9) return std::nullopt;
    const auto value = parse_number<std::uint32_t>(text.substr(3, close - 3), 16);
    if (!value || !append_utf8(out, *value)) return std::nullopt;
    text.remove_prefix(close + 1);
  }
  return out;
}

std::string utf8_address_encode(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const char first = text.front();
    const std::int32_t c = take_utf8(text);
    if (c < 0)
      out += '?';
    else if (c >= 0x80 || c == '\\')
      out += fmt::format("\\x{{{:02X}}}", c);
    else
      out += first;
  }
  return out;
}

}  // namespace postrider::smtp
