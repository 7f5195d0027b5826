#include "lib/config/logical_lines.h"

#include <fmt/core.h>

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/os/files.h"

namespace postrider::config {

namespace {

bool is_comment(std::string_view line) {
  const std::string_view visible = trim(line);
  return visible.empty() || visible.front() == '#';
}

std::string shortened(std::string_view line) {
  constexpr std::size_t shown = 30;
  return line.size() <= shown ? std::string(line) : std::string(line.substr(0, shown)) + "...";
}

}  // namespace

Result<std::vector<LogicalLine>> logical_lines(std::string_view text, std::string_view path,
                                               std::vector<std::string>& warnings) {
  std::vector<LogicalLine> lines;
  bool orphan = false;  // inside a line that goes on from nothing
  int number = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (line.find('\0') != std::string_view::npos)
      return fail(Trouble::configuration, fmt::format("{}, line {}: NUL byte in text", path, number));
    if (is_comment(line)) continue;
    if (!is_space(line.front())) {
      orphan = false;
      lines.push_back({std::string(line), number, number});
    } else if (lines.empty() || orphan) {
      if (!orphan)
        warnings.push_back(fmt::format("{}, line {}: logical line must not start with whitespace: \"{}\"",
                                       path, number, printable(shortened(line))));
      orphan = true;
    } else {
      lines.back().text += line;
      lines.back().last = number;
    }
    if (!lines.empty() && lines.back().text.size() > max_logical_line)
      return fail(Trouble::configuration,
                  fmt::format("{}, line {}: line longer than {} bytes", path, number, max_logical_line));
  }
  for (LogicalLine& line : lines)
    while (!line.text.empty() && is_space(line.text.back())) line.text.pop_back();
  return lines;
}

Result<std::string> read_configuration(const std::string& path) {
  return os::read_file(os::system_files(), path, max_file_size);
}

}  // namespace postrider::config
