#include "lib/pop3/reply.h"

#include <fmt/core.h>

#include "lib/base/log.h"

namespace postrider::pop3 {
namespace {

constexpr std::size_t max_reply_text = 480;

std::string line(std::string_view status, std::string_view text) {
  std::string out(status);
  if (!text.empty()) {
    out += ' ';
    out += printable(text.substr(0, max_reply_text));
  }
  return out + "\r\n";
}

}  // namespace

std::string ok(std::string_view text) { return line("+OK", text); }

std::string err(std::string_view text, std::string_view code) {
  return code.empty() ? line("-ERR", text) : line("-ERR", fmt::format("[{}] {}", code, text));
}

std::string challenge(std::string_view base64) { return fmt::format("+ {}\r\n", base64); }

std::string listing_line(std::uint32_t number, std::string_view value) {
  return fmt::format("{} {}\r\n", number, value);
}

bool valid_uidl(std::string_view uidl) {
  if (uidl.empty() || uidl.size() > 70) return false;
  for (const char c : uidl)
    if (c < '!' || c > '~') return false;
  return true;
}

std::size_t TopCutter::feed(std::string_view content) {
  std::size_t taken = 0;
  while (taken < content.size() && !done()) {
    const std::string_view rest = content.substr(taken);
    const std::size_t lf = rest.find('\n');
    const std::string_view text = rest.substr(0, lf);
    if (!in_body_ && text.find_first_not_of('\r') != std::string_view::npos) empty_line_ = false;
    if (lf == std::string_view::npos) return content.size();
    taken += lf + 1;
    if (in_body_) {
      --left_;
    } else {
      in_body_ = empty_line_;
      empty_line_ = true;
    }
  }
  return taken;
}

}  // namespace postrider::pop3
