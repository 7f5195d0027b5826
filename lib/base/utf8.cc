#include "lib/base/utf8.h"

#include <cstddef>

namespace postrider {

bool is_ascii(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  return true;
}

std::int32_t take_utf8(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text.front());
  std::size_t length = 0;
  std::int32_t value = 0;
  std::int32_t smallest = 0;  // below it the form is overlong
  if (lead < 0x80) {
    text.remove_prefix(1);
    return lead;
  }
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2, value = lead & 0x1f, smallest = 0x80;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3, value = lead & 0x0f, smallest = 0x800;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4, value = lead & 0x07, smallest = 0x10000;
  }
  bool valid = length != 0 && text.size() >= length;
  for (std::size_t i = 1; valid && i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    valid = (next & 0xc0) == 0x80;
    value = (value << 6) | (next & 0x3f);
  }
  if (!valid || value < smallest || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
    text.remove_prefix(1);
    return -1;
  }
  text.remove_prefix(length);
  return value;
}

bool is_utf8(std::string_view text) {
  while (!text.empty())
    if (take_utf8(text) < 0) return false;
  return true;
}

bool is_control_character(std::int32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

bool is_plain_utf8(std::string_view text) {
  while (!text.empty())
    if (is_control_character(take_utf8(text))) return false;  // -1 counts as one
  return true;
}

}  // namespace postrider
