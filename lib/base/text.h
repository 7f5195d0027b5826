// ASCII text helpers shared by every parser: no locale, no allocation unless the name says so.
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace postrider {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_alnum(char c) { return is_digit(c) || is_alpha(c); }
constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr char to_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }

std::string lower(std::string_view text);
std::string upper(std::string_view text);

// ASCII case-insensitive comparisons; bytes above 0x7f compare exactly.
bool iequals(std::string_view a, std::string_view b);
bool istarts_with(std::string_view text, std::string_view prefix);

// Without leading and trailing white space. A view into `text`.
std::string_view trim(std::string_view text);

// The pieces between separators, empty ones included. Views into `text`.
std::vector<std::string_view> split(std::string_view text, char separator);

// The non-empty pieces between runs of any of `separators`. Views into `text`.
std::vector<std::string_view> split_any(std::string_view text, std::string_view separators);

// The whole of `text` as a number: no sign for unsigned types, no spaces, no overflow.
template <std::integral T>
std::optional<T> parse_number(std::string_view text, int base = 10) {
  T value{};
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (status != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// RFC 4648 section 4. Decoding takes padded input only and refuses any other byte, so that one
// text has one meaning; nullopt for malformed input.
std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);

std::string hex_encode(std::string_view bytes);  // lower-case
std::optional<std::string> hex_decode(std::string_view text);

// Hash for maps keyed by strings a stranger may choose: seeded once per process.
struct SeededHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const;
};
struct StringEqual {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const { return a == b; }
};
template <class V>
using StringMap = std::unordered_map<std::string, V, SeededHash, StringEqual>;

}  // namespace postrider
