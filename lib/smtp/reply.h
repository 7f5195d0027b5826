// SMTP and LMTP replies: what a server writes and what a client understands.
//
// smtpd fills a Reply and sends wire(); smtp feeds the lines it reads to a ReplyParser. Lines from a
// peer are capped and lose their control characters before anybody can log or store them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/smtp/status.h"

namespace postrider::smtp {

inline constexpr std::size_t max_reply_line = 512;  // RFC 5321 4.5.3.1.5, with CRLF

struct Reply {
  int code = 0;  // 200..599; 0 for none
  Status status;
  std::vector<std::string> lines;  // without code and status

  Reply() = default;
  Reply(int reply_code, Status reply_status, std::string text) : code(reply_code), status(reply_status) {
    lines.push_back(std::move(text));
  }
  // `text` with its enhanced status, if any, in front: Reply(250, "2.0.0 Ok").
  Reply(int reply_code, std::string_view text);

  bool positive() const { return code >= 200 && code < 300; }
  bool intermediate() const { return code >= 300 && code < 400; }
  bool transient() const { return code >= 400 && code < 500; }
  bool permanent() const { return code >= 500; }

  // Ended by CRLF, "250-" before all lines but the last. Control characters become '?', a line above
  // max_reply_line is continued on the next, at a blank where there is one.
  std::string wire() const;
  // On one line, as logs and reports quote it: wire() with ' ' for each line end.
  std::string text() const;
  // The lines joined by ' ', without codes.
  std::string message() const;
  // The enhanced status, or "x.0.0" of the code's class when the peer gave none.
  Status status_or_default() const;
};

// Reads one reply after the other, a line at a time.
class ReplyParser {
 public:
  static constexpr std::size_t max_lines = 250;
  static constexpr std::size_t max_kept = 16 * 1024;  // bytes of text kept of one reply; the rest is dropped

  // `line` is without its line end. True when it was a reply's last line; take() has the reply then.
  // peer error for what is no reply line, and for too many lines.
  Result<bool> feed(std::string_view line);
  // Leaves the parser empty for the next reply.
  Reply take();
  // Whether a reply has begun and not ended.
  bool in_reply() const { return count_ > 0; }

 private:
  Reply reply_;
  std::size_t count_ = 0;
  std::size_t kept_ = 0;
};

}  // namespace postrider::smtp
