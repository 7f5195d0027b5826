#include "lib/mailbox/folder_name.h"

#include <cstdint>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/base/utf8.h"

namespace postrider::mailbox {

namespace {

constexpr std::size_t most_levels = 64;
constexpr std::size_t longest_name = 255;  // NAME_MAX

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

// UTF-16 code units in modified base64, between '&' and '-'.
class ShiftedWriter {
 public:
  explicit ShiftedWriter(std::string& out) : out_(out) {}
  void unit(std::uint32_t unit) {
    if (!open_) out_ += '&';
    open_ = true;
    bits_ = bits_ << 16 | unit;
    for (count_ += 16; count_ >= 6;) {
      count_ -= 6;
      out_ += alphabet[(bits_ >> count_) & 63];
    }
  }
  void close() {
    if (!open_) return;
    if (count_ > 0) out_ += alphabet[(bits_ << (6 - count_)) & 63];
    out_ += '-';
    open_ = false;
    bits_ = 0;
    count_ = 0;
  }

 private:
  std::string& out_;
  bool open_ = false;
  std::uint64_t bits_ = 0;
  unsigned count_ = 0;
};

void append_utf8(std::string& out, std::uint32_t point) {
  const auto byte = [&](std::uint32_t value) { out += static_cast<char>(value); };
  if (point < 0x80) {
    byte(point);
  } else if (point < 0x800) {
    byte(0xc0 | point >> 6);
    byte(0x80 | (point & 63));
  } else if (point < 0x10000) {
    byte(0xe0 | point >> 12);
    byte(0x80 | (point >> 6 & 63));
    byte(0x80 | (point & 63));
  } else {
    byte(0xf0 | point >> 18);
    byte(0x80 | (point >> 12 & 63));
    byte(0x80 | (point >> 6 & 63));
    byte(0x80 | (point & 63));
  }
}

// The text between '&' and '-'. Only what the writer above makes is accepted, by comparing in the end.
std::optional<std::string> decode_shifted(std::string_view text) {
  std::string utf8;
  std::uint64_t bits = 0;
  unsigned count = 0;
  std::uint32_t high = 0;
  for (const char c : text) {
    const auto value = alphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | value;
    count += 6;
    if (count < 16) continue;
    count -= 16;
    const auto unit = static_cast<std::uint32_t>(bits >> count & 0xffff);
    if (unit >= 0xd800 && unit < 0xdc00 && high == 0) {
      high = unit;
    } else if (unit >= 0xdc00 && unit < 0xe000 && high != 0) {
      append_utf8(utf8, 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00));
      high = 0;
    } else if (high != 0 || (unit >= 0xdc00 && unit < 0xe000)) {
      return std::nullopt;
    } else {
      append_utf8(utf8, unit);
    }
  }
  if (high != 0) return std::nullopt;
  return utf8;
}

std::unexpected<Error> refuse(std::string_view why) {
  return fail(Trouble::permanent, fmt::format("invalid mailbox name: {}", why));
}

}  // namespace

std::optional<std::string> utf7_encode(std::string_view utf8) {
  std::string text;
  ShiftedWriter shifted(text);
  while (!utf8.empty()) {
    const auto point = take_utf8(utf8);
    if (point < 0) return std::nullopt;
    if (point >= 0x20 && point < 0x7f) {
      shifted.close();
      text += static_cast<char>(point);
      if (point == '&') text += '-';
    } else if (point < 0x10000) {
      shifted.unit(static_cast<std::uint32_t>(point));
    } else {
      const auto rest = static_cast<std::uint32_t>(point) - 0x10000;
      shifted.unit(0xd800 + (rest >> 10));
      shifted.unit(0xdc00 + (rest & 0x3ff));
    }
  }
  shifted.close();
  return text;
}

std::optional<std::string> utf7_decode(std::string_view text) {
  std::string utf8;
  for (auto rest = text; !rest.empty();) {
    if (rest[0] != '&') {
      utf8 += rest[0];
      rest.remove_prefix(1);
      continue;
    }
    const auto end = rest.find('-');
    if (end == std::string_view::npos) return std::nullopt;
    if (end == 1) {
      utf8 += '&';
    } else {
      const auto part = decode_shifted(rest.substr(1, end - 1));
      if (!part) return std::nullopt;
      utf8 += *part;
    }
    rest.remove_prefix(end + 1);
  }
  // One name, one form on disk: anything that would be written otherwise is not a name.
  if (utf7_encode(utf8) != text) return std::nullopt;
  return utf8;
}

Result<std::string> folder_directory(std::string_view name, const FolderRules& rules) {
  if (iequals(name, "INBOX")) return std::string();
  if (!rules.prefix.empty()) {
    if (!name.starts_with(rules.prefix)) return refuse("outside the namespace");
    name.remove_prefix(rules.prefix.size());
  }
  if (name.empty()) return refuse("empty");
  std::string directory;
  const auto parts = split(name, rules.separator);
  if (parts.size() > most_levels) return refuse("too many levels");
  for (const auto part : parts) {
    if (part.empty()) return refuse("a level is empty");
    if (part.starts_with('~')) return refuse("begins with ~");
    if (part.contains('/') || part.contains('.')) return refuse("'.' and '/' separate levels on disk");
    if (!is_plain_utf8(part)) return refuse("not UTF-8, or control characters");
    const auto encoded = rules.utf8_on_disk ? std::string(part) : utf7_encode(part).value_or("");
    // Modified UTF-7 has no '/', but ',' and '&' are harmless in a path.
    directory += '.';
    directory += encoded;
  }
  if (directory.size() > longest_name) return refuse("too long");
  return directory;
}

std::optional<std::string> folder_name(std::string_view directory, const FolderRules& rules) {
  if (directory.empty()) return "INBOX";
  if (!directory.starts_with('.') || directory == "." || directory == "..") return std::nullopt;
  std::string name = rules.prefix;
  bool first = true;
  for (const auto part : split(directory.substr(1), '.')) {
    const auto decoded = rules.utf8_on_disk ? std::optional(std::string(part)) : utf7_decode(part);
    if (!decoded || decoded->contains(rules.separator)) return std::nullopt;
    if (!first) name += rules.separator;
    first = false;
    name += *decoded;
  }
  // What could not be created is not shown: it could not be opened either.
  const auto back = folder_directory(name, rules);
  if (!back || *back != directory) return std::nullopt;
  return name;
}

}  // namespace postrider::mailbox
