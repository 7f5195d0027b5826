// Case folding of lookup keys, the same for those who write tables and those who read them.
#pragma once

#include <string>
#include <string_view>

namespace postrider::table {

// Lower case. With `utf8` letters beyond ASCII are folded too where the whole text is valid UTF-8;
// otherwise bytes above 0x7f stay as they are.
std::string fold(std::string_view text, bool utf8);

// Whether the text is well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF).
bool valid_utf8(std::string_view text);

}  // namespace postrider::table
