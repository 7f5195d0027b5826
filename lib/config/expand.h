// The `$name` language of main.cf, also used by mailbox_command, pipe(8) arguments and banners.
//
//   $name ${name} $(name)      the value of name          $$                      a dollar sign
//   ${name?text} ${name?{text}} if name is not empty      ${name:text} ${name:{text}}  if it is empty
//   ${name?{x}:{y}}            either                     ${{a} == {b} ? {x} : {y}}    comparison
//   ${fn{argument}}            a function
//
// Comparisons are == != < <= >= >, numeric when both sides are all digits, else by byte; with `level` after
// the operator (`<=level`) they compare compatibility levels. White space around { } pieces is free. What a
// name stands for is itself expanded by the lookup, not here: a value with a stray `$` in it stays as it is.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"

namespace postrider::config {

// nullopt: there is no such name; it stands for the empty text. An error ends the expansion.
using NameLookup = std::function<Result<std::optional<std::string>>(std::string_view name)>;

// configuration: malformed `${`, unknown operator or function, result longer than a megabyte. `$` before
// anything but a name, a brace, a parenthesis or another `$` is an error as well.
Result<std::string> expand(std::string_view text, const NameLookup& lookup);

// Whether a name stands for something that is not empty, for `${name?…}`.
using NameTest = std::function<Result<bool>(std::string_view name)>;
Result<std::string> expand(std::string_view text, const NameLookup& lookup, const NameTest& test);

// The names that `text` mentions, in branches too. Malformed parts are passed over. Names that are only asked
// whether they are empty (`${name?…}`) count unless `values_only`.
std::vector<std::string> mentioned_names(std::string_view text, bool values_only = false);

// "3.6" as a comparable number; nullopt for anything but major[.minor[.patch]].
std::optional<long> parse_level(std::string_view text);

}  // namespace postrider::config
