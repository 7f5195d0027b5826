// The command line of the bench programs: name=value words after the mode.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace postrider::bench {

class Options {
 public:
  Options(int count, char** words);  // words from the second on; one that is not name=value ends the program

  std::string text(std::string_view name, std::string_view otherwise = {}) const;
  std::uint64_t number(std::string_view name, std::uint64_t otherwise) const;

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace postrider::bench
