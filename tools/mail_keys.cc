#include "tools/mail_keys.h"

#include "lib/base/text.h"

namespace postrider::tools {

namespace {

constexpr std::size_t max_header = 102'400;  // header_size_limit; the rest is cut
constexpr std::size_t max_boundary = 2048;   // mime_boundary_length_limit
constexpr std::size_t max_multiparts = 100;  // mime_nesting_limit

// "Name:" with printable ASCII before the colon.
bool begins_header(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view name = trim(text.substr(0, colon));
  if (name.empty()) return false;
  for (const char c : name)
    if (c <= ' ' || c >= 0x7f) return false;
  return true;
}

// The value of a parameter of a structured header: boundary="…".
std::string parameter(std::string_view header, std::string_view name) {
  for (std::size_t at = header.find(';'); at != std::string_view::npos; at = header.find(';', at + 1)) {
    std::string_view rest = trim(header.substr(at + 1));
    if (!istarts_with(rest, name)) continue;
    rest = trim(rest.substr(name.size()));
    if (!rest.starts_with('=')) continue;
    rest = trim(rest.substr(1));
    if (rest.starts_with('"')) return std::string(rest.substr(1, rest.find('"', 1) - 1));
    return std::string(rest.substr(0, rest.find_first_of("; \t\n")));
  }
  return {};
}

}  // namespace

Result<> MailKeys::flush_header(const Ask& ask) {
  const std::string header = std::exchange(header_, {});
  if (header.empty()) return {};
  constexpr std::string_view content_type = "content-type:";
  if (mime_ && istarts_with(header, content_type)) {
    const std::string_view type = trim(std::string_view(header).substr(content_type.size()));
    const std::string boundary = parameter(type, "boundary");
    if (istarts_with(type, "multipart/") && !boundary.empty() && boundaries_.size() < max_multiparts)
      boundaries_.push_back(boundary.substr(0, max_boundary));
    attached_message_ = istarts_with(type, "message/rfc822") || istarts_with(type, "message/global");
  }
  if (!headers_) return {};
  return ask(header);
}

// "--boundary" of an open multipart: those inside it end.
bool MailKeys::at_boundary(std::string_view text) {
  if (!mime_ || !text.starts_with("--")) return false;
  const std::string_view rest = text.substr(2);
  for (std::size_t i = boundaries_.size(); i-- > 0;) {
    if (!rest.starts_with(boundaries_[i])) continue;
    const bool last = rest.substr(boundaries_[i].size()).starts_with("--");
    boundaries_.resize(last ? i : i + 1);
    in_headers_ = !last;
    attached_message_ = false;
    return true;
  }
  return false;
}

Result<> MailKeys::line(std::string_view text, const Ask& ask) {
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (in_headers_) {
    if (!text.empty() && is_space(text.front()) && !header_.empty()) {
      if (header_.size() + text.size() < max_header) (header_ += '\n') += text;
      return {};
    }
    if (const Result<> asked = flush_header(ask); !asked) return asked;
    if (begins_header(text)) {
      header_ = text.substr(0, max_header);
      return {};
    }
    if (text.empty()) {
      // The blank line is nobody's, except where an attached message's header follows it.
      in_headers_ = std::exchange(attached_message_, false);
      return {};
    }
    in_headers_ = false;
  }
  if (at_boundary(text) || !bodies_) return {};
  return ask(text);
}

Result<> MailKeys::end(const Ask& ask) { return flush_header(ask); }

}  // namespace postrider::tools
