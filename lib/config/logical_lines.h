// Lines that go on: the outer grammar that main.cf, master.cf and the text forms of lookup tables share.
//
// A logical line starts with a character that is not white space and goes on through lines that start with
// white space. Lines that are blank or whose first visible character is `#` are comments wherever they stand.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"

namespace postrider::config {

struct LogicalLine {
  std::string text;  // newlines dropped, leading white space of continuation lines kept, trailing dropped
  int first = 0;     // physical line numbers, from 1
  int last = 0;
};

// Largest configuration file, and largest logical line, that is read.
inline constexpr std::size_t max_file_size = 16 << 20;
inline constexpr std::size_t max_logical_line = 1 << 20;

// A line that goes on from nothing is left out with a warning, as Postfix does. configuration: a NUL byte or
// a line beyond the cap; `path` is for these texts.
Result<std::vector<LogicalLine>> logical_lines(std::string_view text, std::string_view path,
                                               std::vector<std::string>& warnings);

// The file's text for a configuration parser; errors name the path.
Result<std::string> read_configuration(const std::string& path);

}  // namespace postrider::config
