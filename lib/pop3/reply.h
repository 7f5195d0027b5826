// POP3 replies: status lines, listings, and what TOP sends of a message.
//
// Messages go through smtp::DataEncoder with retrieval_rules: POP3 stuffs dots and ends lines as SMTP does,
// but owes its client every byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lib/smtp/data.h"

namespace postrider::pop3 {

inline constexpr smtp::DataEncoder::Rules retrieval_rules{.line_limit = 0, .replace_bare_cr = false};

// "+OK text\r\n". Control characters become '?', the line is cut at RFC 2449's 512 bytes.
std::string ok(std::string_view text = {});
// "-ERR [code] text\r\n". `code` is a response code of RFC 2449 8 or RFC 3206 ("IN-USE", "SYS/TEMP", "AUTH"),
// or "" where none fits or RESP-CODES was not announced.
std::string err(std::string_view text, std::string_view code = {});
// "+ base64\r\n", a challenge of AUTH (RFC 5034 4). `base64` is the caller's own encoding.
std::string challenge(std::string_view base64);

inline constexpr std::string_view end_of_listing = ".\r\n";
// "number value\r\n", a line of LIST or UIDL.
std::string listing_line(std::uint32_t number, std::string_view value);

// RFC 1939 7: 1 to 70 characters of '!'..'~'.
bool valid_uidl(std::string_view uidl);

// Cuts LF content that arrives in pieces to its header, the blank line and `lines` lines of body.
class TopCutter {
 public:
  explicit TopCutter(std::uint64_t lines) : left_(lines) {}
  // How many bytes of `content` belong to the answer.
  std::size_t feed(std::string_view content);
  bool done() const { return in_body_ && left_ == 0; }

 private:
  std::uint64_t left_;
  bool in_body_ = false;
  bool empty_line_ = true;  // nothing but CR on the line so far
};

}  // namespace postrider::pop3
