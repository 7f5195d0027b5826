#include "lib/message/header.h"

#include <algorithm>

#include "lib/base/text.h"

namespace postrider::message {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::size_t line_size(std::string_view text) {
  const std::size_t lf = text.find('\n');
  return lf == std::string_view::npos ? text.size() : lf + 1;
}

// "From " or ">From " and the like: what mbox software leaves before the first field.
bool is_mailbox_line(std::string_view line) {
  const std::size_t start = line.find_first_not_of('>');
  return start != std::string_view::npos && line.substr(start).starts_with("From ");
}

std::string_view without_lf(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::size_t header_name_size(std::string_view line) {
  std::size_t size = 0;
  while (size < line.size() && line[size] > ' ' && line[size] <= '~' && line[size] != ':') ++size;
  std::size_t colon = size;
  while (colon < line.size() && is_blank(line[colon])) ++colon;
  return colon < line.size() && line[colon] == ':' ? size : 0;
}

bool HeaderField::is(std::string_view wanted) const { return iequals(name, wanted); }

HeaderScanner::HeaderScanner(std::string_view content, const HeaderLimits& limits)
    : content_(content), limits_(limits) {}

std::optional<HeaderField> HeaderScanner::next() {
  if (at_ >= content_.size() || too_many_) return std::nullopt;
  std::string_view rest = content_.substr(at_);
  std::size_t size = line_size(rest);
  HeaderField field;
  const std::size_t name = header_name_size(rest.substr(0, size));
  field.mailbox_line = name == 0 && at_ == 0 && is_mailbox_line(rest.substr(0, size));
  if (name == 0 && !field.mailbox_line) return std::nullopt;
  if (++count_ > limits_.fields) {
    too_many_ = true;
    return std::nullopt;
  }
  if (!field.mailbox_line)
    while (size < rest.size() && is_blank(rest[size])) size += line_size(rest.substr(size));
  field.raw = rest.substr(0, size);
  field.offset = at_;
  field.name = rest.substr(0, name);
  field.body = without_lf(field.raw);
  if (!field.mailbox_line) {
    field.body.remove_prefix(field.raw.find(':', name) + 1);
    while (!field.body.empty() && is_blank(field.body.front())) field.body.remove_prefix(1);
  }
  field.cut = field.body.size() > limits_.field;
  if (field.cut) field.body = field.body.substr(0, limits_.field);
  at_ += size;
  return field;
}

std::size_t HeaderScanner::body_offset() const {
  return at_ < content_.size() && content_[at_] == '\n' ? at_ + 1 : at_;
}

std::optional<std::size_t> HeaderBoundary::find(std::string_view content, bool at_end) {
  while (line_ < content.size()) {
    const std::string_view rest = content.substr(line_);
    const std::size_t lf = rest.find('\n');
    if (lf == std::string_view::npos && !at_end) return std::nullopt;
    if (lf == 0) return line_ + 1;
    const std::string_view line = rest.substr(0, lf);
    const bool folded = foldable_ && is_blank(line.front());
    if (!folded) {
      foldable_ = header_name_size(line) > 0;
      if (!foldable_ && !(line_ == 0 && is_mailbox_line(line))) return line_;
    }
    line_ = lf == std::string_view::npos ? content.size() : line_ + lf + 1;
  }
  return at_end ? std::optional(line_) : std::nullopt;
}

std::optional<HeaderField> find_header(std::string_view content, std::string_view name) {
  HeaderScanner scanner(content);
  while (auto field = scanner.next())
    if (field->is(name)) return field;
  return std::nullopt;
}

std::string header_value(std::string_view content, std::string_view name) {
  const auto field = find_header(content, name);
  if (!field) return {};
  const std::string unfolded = unfold(field->body);
  return std::string(trim(unfolded));
}

std::size_t count_headers(std::string_view content, std::string_view name, std::size_t limit) {
  std::size_t count = 0;
  HeaderScanner scanner(content);
  for (auto field = scanner.next(); field && count < limit; field = scanner.next())
    if (field->is(name)) ++count;
  return count;
}

std::string format_header(std::string_view name, std::string_view body) {
  std::string out;
  out.reserve(name.size() + body.size() + 3);
  out += name;
  out += ": ";
  const std::size_t start = out.size();
  out += body;
  while (out.size() > start && (out.back() == '\n' || out.back() == '\r')) out.pop_back();
  // A fold is LF, a blank and something on the line: an all-blank line would end the block for some readers.
  for (std::size_t i = start; i < out.size(); ++i) {
    const auto byte = static_cast<unsigned char>(out[i]);
    if (byte >= ' ' && byte != 0x7f) continue;
    if (out[i] == '\t') continue;
    const std::size_t text = out[i] == '\n' ? out.find_first_not_of(" \t", i + 1) : i;
    const bool fold =
        out[i] == '\n' && text > i + 1 && text != std::string::npos && out[text] != '\n' && out[text] != '\r';
    if (!fold) out[i] = ' ';
  }
  out += '\n';
  return out;
}

std::string remove_headers(std::string_view content, std::initializer_list<std::string_view> names) {
  std::string out;
  out.reserve(content.size());
  HeaderScanner scanner(content);
  while (const auto field = scanner.next()) {
    const bool drop = std::any_of(names.begin(), names.end(), [&](auto name) { return field->is(name); });
    if (!drop) out += field->raw;
  }
  out += content.substr(scanner.header_size());
  return out;
}

std::string unfold(std::string_view body) {
  std::string out;
  out.reserve(body.size());
  for (const char c : body)
    if (c != '\n') out += c;
  return out;
}

}  // namespace postrider::message
