// The bracket notation of tables written inside main.cf: inline:{…}, unionmap:{…}, list elements.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::table {

// Elements between commas and white space, where { } keeps an element together. Elements keep their
// braces. nullopt when the braces do not pair.
std::optional<std::vector<std::string_view>> split_groups(std::string_view text);

// The inside of "{…}" without surrounding white space; nullopt when `text` is not of that form with
// the first brace closed by the last.
std::optional<std::string_view> inside_braces(std::string_view text);

}  // namespace postrider::table
