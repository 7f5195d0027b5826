#include "bench/options.h"

#include <fmt/core.h>

#include <charconv>
#include <cstdlib>

namespace postrider::bench {

Options::Options(int count, char** words) {
  for (int i = 2; i < count; ++i) {
    const std::string_view word = words[i];
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) {
      fmt::print(stderr, "{}: expected name=value\n", word);
      std::exit(2);
    }
    values_.emplace(word.substr(0, equals), word.substr(equals + 1));
  }
}

std::string Options::text(std::string_view name, std::string_view otherwise) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::string(otherwise) : found->second;
}

std::uint64_t Options::number(std::string_view name, std::uint64_t otherwise) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return otherwise;
  std::uint64_t value = 0;
  const std::string& text = found->second;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ptr != text.data() + text.size()) {
    fmt::print(stderr, "{}={}: not a number\n", name, text);
    std::exit(2);
  }
  return value;
}

}  // namespace postrider::bench
