#include <algorithm>
#include <cstring>

#include "lib/smtp/data.h"

namespace postrider::smtp {
namespace {

// Bytes of the UTF-8 character that `lead` begins; 1 for anything else.
std::size_t character_size(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
}

}  // namespace

void DataEncoder::append_folded(std::string_view text, std::string& out) {
  constexpr std::size_t window = 3;  // a character that begins before the last 3 bytes of a line fits
  const std::size_t limit = std::max<std::size_t>(rules_.line_limit, 8);
  while (!text.empty()) {
    if (line_ + window < limit) {
      const std::size_t room = std::min(text.size(), limit - window - line_);
      out.append(text.substr(0, room));
      line_ += room;
      text.remove_prefix(room);
      continue;
    }
    if (line_ + character_size(text.front()) > limit) {
      out += "\r\n ";
      line_ = 1;
    }
    out += text.front();
    ++line_;
    text.remove_prefix(1);
  }
}

// Text inside a line: no LF in it.
void DataEncoder::append_text(std::string_view text, std::string& out) {
  if (text.empty()) return;
  if (line_start_ && text.front() == '.') out += '.';
  line_start_ = false;
  const std::size_t start = out.size();
  if (rules_.line_limit == 0)
    out.append(text);
  else
    append_folded(text, out);
  if (!rules_.replace_bare_cr || text.find('\r') == std::string_view::npos) return;
  for (std::size_t i = start; i < out.size(); ++i)
    if (out[i] == '\r' && (i + 1 == out.size() || out[i + 1] != '\n')) out[i] = ' ';
}

void DataEncoder::end_line(std::string& out) {
  out += "\r\n";
  line_ = 0;
  line_start_ = true;
  held_cr_ = false;
}

// Lines as they are, each ended by CRLF: what remains to be done when none is folded and every CR stays. One
// pass into room for the worst case, all line ends.
void DataEncoder::feed_verbatim(std::string_view content, std::string& out) {
  const std::size_t before = out.size();
  const auto fill = [&](char* buffer, std::size_t) {
    char* to = buffer + before;
    const char* from = content.data();
    const char* const end = from + content.size();
    while (from < end) {
      const auto left = static_cast<std::size_t>(end - from);
      const auto* lf = static_cast<const char*>(std::memchr(from, '\n', left));
      const std::size_t length = lf == nullptr ? left : static_cast<std::size_t>(lf - from);
      if (line_start_ && *from == '.') *to++ = '.';
      std::memcpy(to, from, length);
      to += length;
      const bool cr = length == 0 ? !line_start_ && held_cr_ : from[length - 1] == '\r';
      held_cr_ = cr;
      line_start_ = false;
      from += length;
      if (lf == nullptr) break;
      if (!cr) *to++ = '\r';
      *to++ = '\n';
      ++from;
      line_start_ = true;
      held_cr_ = false;
    }
    return static_cast<std::size_t>(to - buffer);
  };
  out.resize_and_overwrite(before + 2 * content.size() + 1, fill);
}

void DataEncoder::feed(std::string_view content, std::string& out) {
  if (rules_.line_limit == 0 && !rules_.replace_bare_cr) return feed_verbatim(content, out);
  while (!content.empty()) {
    if (held_cr_ && content.front() != '\n') {
      held_cr_ = false;
      append_text("\r", out);
    }
    const std::size_t lf = content.find('\n');
    std::string_view part = content.substr(0, lf);
    const bool cr = part.ends_with('\r');
    if (cr) part.remove_suffix(1);
    append_text(part, out);
    if (lf == std::string_view::npos) {
      held_cr_ = cr;
      return;
    }
    end_line(out);
    content.remove_prefix(lf + 1);
  }
}

void DataEncoder::finish(std::string& out) {
  if (rules_.line_limit == 0 && !rules_.replace_bare_cr && held_cr_)
    out += '\n';  // the CR was sent when it came
  else if (held_cr_ || !line_start_)
    end_line(out);
  out += ".\r\n";
}

std::uint64_t wire_size(std::string_view content) {
  std::uint64_t size = content.size();
  for (std::size_t at = content.find('\n'); at != std::string_view::npos; at = content.find('\n', at + 1))
    if (at == 0 || content[at - 1] != '\r') ++size;
  return size;
}

}  // namespace postrider::smtp
