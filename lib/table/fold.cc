#include "lib/table/fold.h"

#include <cstdint>
#include <optional>

#include <clocale>
#include <cwctype>

#include "lib/base/text.h"

namespace postrider::table {

namespace {

// One code point from the front of `text`, which is shortened by it.
std::optional<std::uint32_t> take(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  std::size_t length = 0;
  std::uint32_t point = 0;
  if (first < 0x80) {
    length = 1, point = first;
  } else if (first >= 0xc2 && first < 0xe0) {
    length = 2, point = first & 0x1f;
  } else if (first >= 0xe0 && first < 0xf0) {
    length = 3, point = first & 0x0f;
  } else if (first >= 0xf0 && first < 0xf5) {
    length = 4, point = first & 0x07;
  } else {
    return std::nullopt;
  }
  if (text.size() < length) return std::nullopt;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return std::nullopt;
    point = point << 6 | (byte(i) & 0x3f);
  }
  if (length == 3 && (point < 0x800 || (point >= 0xd800 && point < 0xe000))) return std::nullopt;
  if (length == 4 && (point < 0x10000 || point > 0x10ffff)) return std::nullopt;
  text.remove_prefix(length);
  return point;
}

void append(std::string& out, std::uint32_t point) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xc0 | point >> 6), put(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    put(0xe0 | point >> 12), put(0x80 | (point >> 6 & 0x3f)), put(0x80 | (point & 0x3f));
  } else {
    put(0xf0 | point >> 18), put(0x80 | (point >> 12 & 0x3f)), put(0x80 | (point >> 6 & 0x3f)),
        put(0x80 | (point & 0x3f));
  }
}

// The C library's tables for UTF-8, whatever locale the process was started in; null where the
// system has none, and then only ASCII folds.
locale_t utf8_locale() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

}  // namespace

std::string fold(std::string_view text, bool utf8) {
  bool ascii = true;
  for (const char c : text) ascii = ascii && static_cast<unsigned char>(c) < 0x80;
  if (ascii || !utf8 || utf8_locale() == nullptr) return lower(text);
  std::string out;
  out.reserve(text.size());
  for (std::string_view rest = text; !rest.empty();) {
    const std::optional<std::uint32_t> point = take(rest);
    if (!point) return lower(text);
    append(out, static_cast<std::uint32_t>(towlower_l(static_cast<wint_t>(*point), utf8_locale())));
  }
  return out;
}

bool valid_utf8(std::string_view text) {
  while (!text.empty())
    if (!take(text)) return false;
  return true;
}

}  // namespace postrider::table
