// Domain names and address literals: what may stand after '@', in HELO and in a table key.
//
// Pure checks and conversions over text from strangers; lengths are capped before any work.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lib/base/error.h"

namespace postrider::address {

// RFC 1123 host name syntax: labels of 1..63, 255 in all, no dot at either end, not an all-numeric dotted
// quad. `lenient` also takes '_' and hyphens at the ends of a label, which exist in the wild.
// Bytes above 0x7f are refused; see valid_utf8_domain.
bool valid_hostname(std::string_view name, bool lenient = true);

// The same with labels of U-label characters, the whole convertible to A-labels.
bool valid_utf8_domain(std::string_view name, bool lenient = true);

// "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 4.1.3). `lenient` also takes "[2001:db8::1]".
bool valid_literal(std::string_view text, bool lenient = true);

// IDNA 2008, UTS #46 non-transitional: "bücher.example" -> "xn--bcher-kva.example". An ASCII name comes back
// in lower case. permanent error when the name cannot be converted.
Result<std::string> to_ascii(std::string_view domain);
// The reverse, for people's eyes. What cannot be converted comes back as it was.
std::string to_unicode(std::string_view domain);

// The form to compare and to look up: A-labels, lower case, without trailing dot. What is not a valid
// name comes back in lower case.
std::string canonical_domain(std::string_view domain);

// "mail.example.org" -> "example.org" -> "org" -> "". For parent-domain lookups.
std::string_view parent_domain(std::string_view domain);

// True when `domain` is `parent` or below it; both canonical.
bool is_within(std::string_view domain, std::string_view parent);

}  // namespace postrider::address
