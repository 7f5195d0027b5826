// The machine-readable part of a report: message/delivery-status of RFC 3464, or
// message/global-delivery-status of RFC 6533. Internal to dsn.
#pragma once

#include <string>
#include <string_view>

#include "lib/dsn/report.h"

namespace postrider::dsn {

// The body of the part. UTF-8 stays in addresses when the report is `smtputf8`, else it is encoded as
// RFC 6533 3 has it, and the part is ASCII.
std::string status_part(const Report& report);

// Broken at blanks into lines of at most `width` bytes where that is possible; every line but the first
// begins with four blanks.
std::string wrap(std::string_view text, std::size_t width = 76);

// Without control characters, cut to `most` bytes at a character, ASCII unless `utf8`.
std::string clean_line(std::string_view text, std::size_t most, bool utf8);

}  // namespace postrider::dsn
