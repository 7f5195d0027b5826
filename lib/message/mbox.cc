#include "lib/message/mbox.h"

#include <fmt/core.h>

namespace postrider::message {
namespace {

constexpr std::string_view from = "From ";

}  // namespace

std::string mbox_separator(const address::Address& sender, WallTime time, const Zone& zone) {
  std::string who = sender.empty() ? "MAILER-DAEMON" : sender.text();
  for (char& c : who)
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f) c = '_';
  return fmt::format("From {}  {}\n", who, format_mbox_date(time, zone));
}

void MboxQuoter::feed(std::string_view content, std::string& out) {
  while (!content.empty()) {
    if (line_start_) {
      held_ += content.front();
      content.remove_prefix(1);
      if (from.starts_with(held_) && held_.size() < from.size()) continue;
      if (held_ == from) out += '>';
      out += held_;
      line_start_ = held_.back() == '\n';
      held_.clear();
      continue;
    }
    const std::size_t lf = content.find('\n');
    const std::size_t size = lf == std::string_view::npos ? content.size() : lf + 1;
    out += content.substr(0, size);
    content.remove_prefix(size);
    line_start_ = lf != std::string_view::npos;
  }
}

void MboxQuoter::finish(std::string& out) {
  out += held_;
  if (!held_.empty() || !line_start_) out += '\n';
  held_.clear();
  out += '\n';
}

}  // namespace postrider::message
