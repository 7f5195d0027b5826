#include "lib/smtp/reply.h"

#include <utility>

#include <fmt/core.h>

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/base/utf8.h"

namespace postrider::smtp {
namespace {

// The next piece of `text` that fits in `room`, broken at a blank if there is one in its second half.
std::string_view take_piece(std::string_view& text, std::size_t room) {
  std::size_t size = text.size();
  std::size_t next = size;
  if (size > room) {
    const std::size_t blank = text.rfind(' ', room);
    const bool usable = blank != std::string_view::npos && blank > room / 2;
    size = usable ? blank : room;
    next = usable ? blank + 1 : room;
  }
  const std::string_view piece = text.substr(0, size);
  text.remove_prefix(next);
  return piece;
}

std::string readable(std::string_view text) {
  std::string out = printable(text);
  if (is_plain_utf8(out)) return out;
  for (char& c : out)
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  return out;
}

}  // namespace

Reply::Reply(int reply_code, std::string_view text) : code(reply_code) {
  if (const auto found = Status::take(text)) status = *found;
  lines.emplace_back(text);
}

std::string Reply::wire() const {
  const std::string enhanced = status.present() ? status.text() + " " : "";
  const std::size_t room = max_reply_line - 2 - 4 - enhanced.size();
  std::vector<std::string> pieces;
  for (const std::string& line : lines) {
    const std::string clean = printable(line);
    std::string_view rest = clean;
    do pieces.emplace_back(take_piece(rest, room));
    while (!rest.empty());
  }
  if (pieces.empty()) pieces.emplace_back();
  std::string out;
  for (std::size_t i = 0; i < pieces.size(); ++i)
    out += fmt::format("{:03}{}{}{}\r\n", code, i + 1 < pieces.size() ? '-' : ' ', enhanced, pieces[i]);
  return out;
}

std::string Reply::text() const {
  const std::string enhanced = status.present() ? status.text() + " " : "";
  std::string out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += ' ';
    out += fmt::format("{:03}{}{}{}", code, i + 1 < lines.size() ? '-' : ' ', enhanced, printable(lines[i]));
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

std::string Reply::message() const {
  std::string out;
  for (const std::string& line : lines) {
    if (!out.empty()) out += ' ';
    out += printable(line);
  }
  return out;
}

Status Reply::status_or_default() const {
  if (status.present()) return status;
  const int kind = code / 100;
  return {static_cast<std::uint8_t>(kind == 2 || kind == 5 ? kind : 4), 0, 0};
}

Result<bool> ReplyParser::feed(std::string_view line) {
  while (line.ends_with('\r')) line.remove_suffix(1);
  const bool shaped = line.size() >= 3 && line[0] >= '2' && line[0] <= '5' && is_digit(line[1]) &&
                      is_digit(line[2]) && (line.size() == 3 || line[3] == ' ' || line[3] == '-');
  if (!shaped) return fail(Trouble::peer, fmt::format("malformed reply: {}", readable(line.substr(0, 100))));
  if (++count_ > max_lines) return fail(Trouble::peer, "reply of too many lines");
  const bool last = line.size() == 3 || line[3] == ' ';
  // RFC 5321 4.2.1 wants one code on all lines; where they differ the last decides.
  reply_.code = *parse_number<int>(line.substr(0, 3));
  std::string_view text = line.substr(line.size() == 3 ? 3 : 4);
  std::string_view after = text;
  const auto status = Status::take(after);
  if (status && count_ == 1) reply_.status = *status;
  if (status && *status == reply_.status) text = after;
  if (kept_ < max_kept) {
    reply_.lines.push_back(readable(text.substr(0, max_kept - kept_)));
    kept_ += text.size();
  }
  // RFC 2034 section 4: the class must be the reply's own, or the status says nothing.
  if (last && reply_.status.present() && reply_.status.kind != reply_.code / 100) {
    if (!reply_.lines.empty()) reply_.lines.front().insert(0, reply_.status.text() + " ");
    reply_.status = {};
  }
  return last;
}

Reply ReplyParser::take() {
  count_ = 0;
  kept_ = 0;
  return std::exchange(reply_, {});
}

}  // namespace postrider::smtp
