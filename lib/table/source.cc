#include "lib/table/source.h"

#include <fmt/format.h>

#include "lib/base/log.h"
#include "lib/base/text.h"

namespace postrider::table {

SourceLines::SourceLines(std::string_view content, std::string path, Log& log)
    : rest_(content), path_(std::move(path)), log_(log) {}

std::string_view SourceLines::physical() {
  const std::size_t end = rest_.find('\n');
  const std::string_view line = rest_.substr(0, end);
  rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
  ++number_;
  return line;
}

std::optional<SourceLines::Line> SourceLines::next() {
  Line line;
  bool too_long = false;
  while (!rest_.empty()) {
    // A logical line ends where the next physical line neither continues it nor is skipped.
    if (!line.text.empty() || too_long) {
      const std::string_view ahead = rest_.substr(0, rest_.find('\n'));
      const std::string_view visible = trim(ahead);
      if (!visible.empty() && visible.front() != '#' && !is_space(ahead.front())) {
        if (!too_long) return line;
        line = {}, too_long = false;
      }
    }
    const std::string_view piece = physical();
    const std::string_view visible = trim(piece);
    if (visible.empty() || visible.front() == '#') continue;
    if (line.text.empty() && !too_long && is_space(piece.front())) {
      log_.warning("{}: logical line must not start with whitespace: \"{}\"", path_, piece.substr(0, 30));
      continue;
    }
    line.number = number_;
    if (too_long || line.text.size() + piece.size() > max_source_line) {
      if (!too_long)
        log_.warning("{}, line {}: logical line is longer than {} bytes: skipping it", path_, number_,
                     max_source_line);
      too_long = true;
      line.text.clear();
      continue;
    }
    line.text += piece;
  }
  if (line.text.empty()) return std::nullopt;
  return line;
}

Result<KeyValue> split_key_value(std::string_view line) {
  bool quoted = false;
  std::size_t end = 0;
  for (; end < line.size(); ++end) {
    if (line[end] == '\\' && quoted && end + 1 < line.size()) {
      ++end;
    } else if (line[end] == '"') {
      quoted = !quoted;
    } else if (is_space(line[end]) && !quoted) {
      break;
    }
  }
  if (quoted)
    return fail(Trouble::permanent, fmt::format("unbalanced '\"' in '{}' -- ignoring this line", line));
  KeyValue entry{std::string(line.substr(0, end)), std::string(trim(line.substr(end)))};
  if (entry.key.empty() || entry.value.empty())
    return fail(Trouble::permanent, "expected format: key whitespace value");
  // A NUL would be cut off by whoever stores the text with its terminator.
  if (line.find('\0') != std::string_view::npos)
    return fail(Trouble::permanent, "NUL byte in text -- ignoring this line");
  return entry;
}

}  // namespace postrider::table
