// UTF-8 as the parsers of foreign bytes need it: strict validation and a scan for characters that
// must not reach a log, a terminal or an address. Pure functions over views.
#pragma once

#include <cstdint>
#include <string_view>

namespace postrider {

// True when every byte is below 0x80.
bool is_ascii(std::string_view text);

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF, nothing cut short.
bool is_utf8(std::string_view text);

// Takes one character off the front of `text`. Returns its code point, or -1 (and removes one byte)
// where the bytes are not UTF-8. `text` must not be empty.
std::int32_t take_utf8(std::string_view& text);

// True for characters that act on a reader's screen instead of standing there: C0 and C1 controls, DEL,
// line and paragraph separators, bidirectional embeddings, overrides and isolates.
bool is_control_character(std::int32_t code_point);

// True when `text` is UTF-8 without any such character.
bool is_plain_utf8(std::string_view text);

}  // namespace postrider
