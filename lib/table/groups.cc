#include "lib/table/groups.h"

#include "lib/base/text.h"

namespace postrider::table {

std::optional<std::vector<std::string_view>> split_groups(std::string_view text) {
  const auto separates = [](char c) { return c == ',' || is_space(c); };
  std::vector<std::string_view> elements;
  std::size_t at = 0;
  while (true) {
    while (at < text.size() && separates(text[at])) ++at;
    if (at == text.size()) return elements;
    const std::size_t start = at;
    for (int depth = 0; at < text.size() && (depth > 0 || !separates(text[at])); ++at) {
      if (text[at] == '{') ++depth;
      if (text[at] == '}' && --depth < 0) return std::nullopt;
      if (depth > 0 && at + 1 == text.size()) return std::nullopt;
    }
    elements.push_back(text.substr(start, at - start));
  }
}

std::optional<std::string_view> inside_braces(std::string_view text) {
  text = trim(text);
  if (text.size() < 2 || text.front() != '{' || text.back() != '}') return std::nullopt;
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0 && i + 1 != text.size()) return std::nullopt;
  }
  if (depth != 0) return std::nullopt;
  return trim(text.substr(1, text.size() - 2));
}

}  // namespace postrider::table
