// The text that tables are made from: logical lines, and the "key whitespace value" form.
//
// Blank lines and lines whose first visible character is '#' are skipped, also in the middle of a
// logical line; a line that begins with white space continues the one before. Written by the
// administrator, or by whoever may write the file, so lengths are capped.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/error.h"

namespace postrider {
class Log;
}

namespace postrider::table {

inline constexpr std::size_t max_source_line = 4 * 1024 * 1024;    // one logical line, bytes
inline constexpr std::size_t max_source_file = 512 * 1024 * 1024;  // a whole source, bytes

class SourceLines {
 public:
  // `content` outlives this. Warnings name `path`.
  SourceLines(std::string_view content, std::string path, Log& log);

  struct Line {
    std::string text;
    int number = 0;  // its last physical line, from 1
  };
  // nullopt at the end. Lines that begin nothing or are over max_source_line draw a warning and
  // are skipped.
  std::optional<Line> next();

  const std::string& path() const { return path_; }

 private:
  std::string_view physical();

  std::string_view rest_;
  std::string path_;
  Log& log_;
  int number_ = 0;
};

struct KeyValue {
  std::string key;    // quotes and backslashes kept, as the address forms that are looked up have them
  std::string value;  // without surrounding white space
};

// Splits at the first white space outside double quotes. The error's text says what is wrong, in
// the words of postmap, without file and line.
Result<KeyValue> split_key_value(std::string_view line);

}  // namespace postrider::table
