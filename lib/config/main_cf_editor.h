// Changes to the text of a main.cf that leave everything else byte for byte as it was.
//
// Used by prconf -e, -X and -#, by quickstart and by installation. Comments and blank lines stay where they
// are, also those inside a definition that goes away.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/error.h"

namespace postrider::config {

struct EditedText {
  std::string text;
  std::vector<std::string> warnings;  // `multiple entries for "name"`
};

// Every definition of a name is replaced by `name = value` where it stands; what is not there is appended in
// the order given. Of two settings of one name the last counts.
EditedText set_in_main_cf(std::string_view text,
                          const std::vector<std::pair<std::string, std::string>>& settings);
// The definitions of the names go away, or are made comments with `#`.
EditedText remove_from_main_cf(std::string_view text, const std::vector<std::string>& names);
EditedText comment_out_of_main_cf(std::string_view text, const std::vector<std::string>& names);

// Writes the new text in the place of the file, atomically; mode and owner stay.
Result<> rewrite_file(const std::string& path, std::string_view text);

}  // namespace postrider::config
