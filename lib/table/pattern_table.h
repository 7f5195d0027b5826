// What regexp: and pcre: share: rules with /pattern/flags, negation, if/endif and $number results.
//
// The two differ in the engine alone, which compiles a pattern and matches one key.
#pragma once

#include <memory>

#include "lib/table/text_file.h"

namespace postrider::table {

// One compiled pattern. matches() is given keys that strangers chose.
class Pattern {
 public:
  virtual ~Pattern() = default;

  // Ranges into the subject; [0] is the whole match. An unused group is empty.
  using Groups = std::vector<std::string_view>;

  // False: no match. `groups` is left alone then, and may be null. An error (temporary) when the
  // engine ran into its limits.
  virtual Result<bool> matches(std::string_view subject, Groups* groups) const = 0;
  virtual std::size_t group_count() const = 0;  // without the whole match
};

// Compiles what stood between the delimiters, with the letters after the second one. The error's
// text is the whole warning but for file and line.
using PatternCompiler = Result<std::unique_ptr<Pattern>> (*)(const std::string& pattern,
                                                             std::string_view flags);

Result<std::unique_ptr<Table>> open_pattern_table(std::string type, const std::string& path,
                                                  PatternCompiler compile, const Context& context);

}  // namespace postrider::table
