// Words of parameter values: lists, durations, sizes, yes and no, each with one meaning everywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/error.h"

namespace postrider::config {

// Items between commas and white space. `{ … }` (which may nest) holds one item together and stays in the
// item. configuration: braces that do not match, text right behind a closing brace.
Result<std::vector<std::string>> split_list(std::string_view text);
// Without the braces around it and the white space inside them; other text as it is. A view into `item`.
std::string_view without_braces(std::string_view item);

// `/file` items replaced by the items in that file (one list per line, `#` comments), at most ten files deep.
// A missing file is a configuration error naming it.
Result<std::vector<std::string>> include_files(std::vector<std::string> items);

struct Pattern {
  bool negated = false;   // an odd number of leading `!`
  std::string_view text;  // behind them
};
Pattern parse_pattern(std::string_view item);

// "10", "10s", "5m", "2h", "7d", "1w"; no sign, no space between. nullopt for anything else or overflow.
std::optional<Seconds> parse_duration(std::string_view text, char default_unit = 's');
// As above and "250ms".
std::optional<Milliseconds> parse_fine_duration(std::string_view text, char default_unit = 's');
// "10240", "50k", "20M", "1g".
std::optional<std::int64_t> parse_bytes(std::string_view text);
std::optional<bool> parse_boolean(std::string_view text);

// The shortest form that parse_duration reads back: "300s", "1h", "5d".
std::string duration_text(Seconds duration);

}  // namespace postrider::config
