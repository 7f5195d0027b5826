// xtext (RFC 3461 section 4) and the UTF-8 address forms of RFC 6533: parameters of MAIL, RCPT, XCLIENT.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postrider::smtp {

// Bytes outside '!'..'~' and '+' and '=' become +XX.
std::string xtext_encode(std::string_view bytes);

// nullopt for a byte that must have been encoded ('=' apart, which exists in the wild) or a bad +XX. The
// result may hold any byte: callers check it before use.
std::optional<std::string> xtext_decode(std::string_view text);

// utf-8-addr-xtext or utf-8-addr-unitext (RFC 6533 section 3): "\x{00FC}" becomes the character itself.
// nullopt for a malformed escape or text that is not UTF-8.
std::optional<std::string> utf8_address_decode(std::string_view text);
// The 7-bit form: characters above 0x7f and '\' as "\x{00FC}"; for utf-8-addr-xtext and for headers that
// must stay ASCII.
std::string utf8_address_encode(std::string_view text);

}  // namespace postrider::smtp
