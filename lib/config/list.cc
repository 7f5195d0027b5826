#include "lib/config/list.h"

#include <array>
#include <limits>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/config/logical_lines.h"

namespace postrider::config {

namespace {

constexpr int max_include_depth = 10;
constexpr std::size_t max_included_items = 1'000'000;

bool is_separator(char c) { return c == ',' || is_space(c); }

struct Unit {
  std::string_view suffix;
  std::int64_t factor;
};

// "<number><suffix>" in the unit that has factor 1; nullopt on any other text or on overflow.
template <std::size_t N>
std::optional<std::int64_t> scaled(std::string_view text, const std::array<Unit, N>& units,
                                   std::string_view default_suffix) {
  std::size_t digits = 0;
  while (digits < text.size() && is_digit(text[digits])) ++digits;
  const std::optional<std::int64_t> number = parse_number<std::int64_t>(text.substr(0, digits));
  const std::string_view suffix = digits == text.size() ? default_suffix : text.substr(digits);
  if (!number) return std::nullopt;
  for (const Unit& unit : units) {
    if (!iequals(unit.suffix, suffix)) continue;
    if (*number > std::numeric_limits<std::int64_t>::max() / unit.factor) return std::nullopt;
    return *number * unit.factor;
  }
  return std::nullopt;
}

constexpr std::int64_t minute = 60;
constexpr std::int64_t hour = 60 * minute;
constexpr std::int64_t day = 24 * hour;
constexpr std::int64_t week = 7 * day;

Result<> include_into(std::vector<std::string>& out, std::string item, int depth) {
  if (!item.starts_with('/')) {
    if (out.size() >= max_included_items)
      return fail(Trouble::configuration, fmt::format("more than {} items in a list", max_included_items));
    out.push_back(std::move(item));
    return {};
  }
  if (depth >= max_include_depth)
    return fail(Trouble::configuration,
                fmt::format("{}: more than {} files include each other", item, max_include_depth));
  const Result<std::string> text = read_configuration(item);
  if (!text) return fail(Trouble::configuration, text.error().text());
  std::vector<std::string> warnings;
  Result<std::vector<LogicalLine>> lines = logical_lines(*text, item, warnings);
  if (!lines) return fail(std::move(lines).error());
  if (!warnings.empty()) return fail(Trouble::configuration, warnings.front());
  for (const LogicalLine& line : *lines) {
    Result<std::vector<std::string>> items = split_list(line.text);
    if (!items)
      return fail(Trouble::configuration,
                  fmt::format("{}, line {}: {}", item, line.first, items.error().text()));
    for (std::string& inner : *items)
      if (Result<> done = include_into(out, std::move(inner), depth + 1); !done) return done;
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> split_list(std::string_view text) {
  std::vector<std::string> items;
  std::size_t at = 0;
  while (true) {
    while (at < text.size() && is_separator(text[at])) ++at;
    if (at == text.size()) return items;
    const std::size_t start = at;
    int depth = 0;
    for (; at < text.size() && (depth > 0 || !is_separator(text[at])); ++at) {
      if (text[at] == '{') ++depth;
      if (text[at] == '}' && --depth < 0) return fail(Trouble::configuration, "'}' without '{'");
    }
    if (depth > 0) return fail(Trouble::configuration, "'{' without '}'");
    items.emplace_back(text.substr(start, at - start));
  }
}

std::string_view without_braces(std::string_view item) {
  if (item.size() < 2 || item.front() != '{' || item.back() != '}') return item;
  return trim(item.substr(1, item.size() - 2));
}

Result<std::vector<std::string>> include_files(std::vector<std::string> items) {
  std::vector<std::string> out;
  for (std::string& item : items)
    if (Result<> done = include_into(out, std::move(item), 0); !done) return fail(std::move(done).error());
  return out;
}

Pattern parse_pattern(std::string_view item) {
  Pattern pattern;
  while (item.starts_with('!')) {
    pattern.negated = !pattern.negated;
    item.remove_prefix(1);
  }
  pattern.text = item;
  return pattern;
}

std::optional<Seconds> parse_duration(std::string_view text, char default_unit) {
  static constexpr std::array<Unit, 5> units{{{"s", 1}, {"m", minute}, {"h", hour}, {"d", day}, {"w", week}}};
  const std::optional<std::int64_t> seconds = scaled(text, units, std::string_view(&default_unit, 1));
  if (!seconds) return std::nullopt;
  return Seconds(*seconds);
}

std::optional<Milliseconds> parse_fine_duration(std::string_view text, char default_unit) {
  static constexpr std::array<Unit, 6> units{{{"ms", 1},
                                              {"s", 1000},
                                              {"m", minute * 1000},
                                              {"h", hour * 1000},
                                              {"d", day * 1000},
                                              {"w", week * 1000}}};
  const std::optional<std::int64_t> milliseconds = scaled(text, units, std::string_view(&default_unit, 1));
  if (!milliseconds) return std::nullopt;
  return Milliseconds(*milliseconds);
}

std::optional<std::int64_t> parse_bytes(std::string_view text) {
  static constexpr std::array<Unit, 4> units{{{"", 1}, {"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}}};
  return scaled(text, units, "");
}

std::optional<bool> parse_boolean(std::string_view text) {
  if (iequals(text, "yes")) return true;
  if (iequals(text, "no")) return false;
  return std::nullopt;
}

std::string duration_text(Seconds duration) {
  static constexpr std::array<Unit, 4> units{{{"w", week}, {"d", day}, {"h", hour}, {"m", minute}}};
  const std::int64_t seconds = duration.count();
  for (const Unit& unit : units)
    if (seconds != 0 && seconds % unit.factor == 0)
      return fmt::format("{}{}", seconds / unit.factor, unit.suffix);
  return fmt::format("{}s", seconds);
}

}  // namespace postrider::config
