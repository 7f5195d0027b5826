// One main.cf as written: its definitions in file order with their places, nothing evaluated.
//
// Grammar (postconf(5)): a logical line starts with a non-blank character and goes on through lines that
// start with white space; comment and blank lines may stand between; `name = value`; the last definition
// wins. Read by every daemon at start and by the configuration tools. The file belongs to the administrator,
// but lengths are capped all the same. Values are copies: an entry lives as long as its MainCf.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/text.h"

namespace postrider::config {

struct MainCfEntry {
  std::string name;
  std::string value;  // continuation lines joined, surrounding white space dropped; not expanded
  int line = 0;       // where the name stands, from 1
  int last_line = 0;  // last line of the value
};

class MainCf {
 public:
  // configuration: a line without `=`, a bad name, a NUL byte, more than the caps; the text names file and
  // line. not_found, access, temporary: the file could not be read.
  static Result<MainCf> read(const std::string& path);
  // `path` is only what messages call the text.
  static Result<MainCf> parse(std::string_view text, std::string path);

  const std::string& path() const { return path_; }
  // Every definition, overridden ones included.
  const std::vector<MainCfEntry>& entries() const { return entries_; }
  // The definition in force; nullptr when there is none.
  const MainCfEntry* find(std::string_view name) const;
  // "<path>, line N: overriding earlier entry: name=value" and the like, in file order, without prefix.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  std::string path_;
  std::vector<MainCfEntry> entries_;
  StringMap<std::size_t> last_;
  std::vector<std::string> warnings_;
};

// [A-Za-z0-9_]+, the characters a parameter name may have.
bool is_parameter_name(std::string_view name);

}  // namespace postrider::config
