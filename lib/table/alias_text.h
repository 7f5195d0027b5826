// The text of aliases(5), .forward and :include: files: who a name stands for.
//
// Used by pralias for checking and storing, by local for expanding. A value is written by the
// administrator or by a user (his own .forward), so its form is checked, its length capped and no
// nesting recurses.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/table/source.h"

namespace postrider::table {

// Most destinations that one value may name.
inline constexpr std::size_t max_alias_targets = 250'000;

struct AliasTarget {
  enum class Kind {
    address,  // text: an address in internal form, or a bare local part
    command,  // |text
    file,     // text: "/file" or "/directory/" (a Maildir)
    home,     // text: "~/…" or "~user/…", as in .forward files
    include,  // :include:text
  };
  Kind kind = Kind::address;
  std::string text;
  bool operator==(const AliasTarget&) const = default;
};

// "name: value" with the name unquoted and in internal form, the value as written. Errors (permanent)
// in the words of postalias, without file and line.
Result<KeyValue> split_alias(std::string_view line);

// The destinations in a value: separated by commas, each an address, "|command", /file or
// :include:/file, quoted where it holds white space or specials; comments in parentheses, "Name
// <address>" and "group: a, b;" as in RFC 822. Errors (permanent): unbalanced quotes or brackets,
// NUL, too many.
Result<std::vector<AliasTarget>> parse_alias_value(std::string_view value);

// The content of a .forward or :include: file: logical lines of values, '#' comments.
Result<std::vector<AliasTarget>> parse_alias_file(std::string_view content, const std::string& path,
                                                  Log& log);

}  // namespace postrider::table
