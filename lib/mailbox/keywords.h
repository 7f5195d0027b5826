// dovecot-keywords: what the flag letters a to z in file names stand for in one Maildir.
//
//   0 $Forwarded        the letter 'a'
//   1 NonJunk           the letter 'b'
//
// Read and written under the uidlist's lock. Lines that make no sense are dropped when the file is
// next written; a letter without a line keeps a name of its own making, as Dovecot gives it.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/error.h"
#include "lib/os/files.h"

namespace postrider::mailbox {

inline constexpr std::size_t max_keywords = 26;
inline constexpr std::size_t max_keyword_length = 50;

class Keywords {
 public:
  static Keywords parse(std::string_view text);
  std::string format() const;

  // No file: no keywords.
  static Result<Keywords> load(os::Files& files, const std::string& control_directory);
  // Durable, replaced as a whole.
  Result<> save(os::Files& files, const std::string& control_directory) const;

  // The keyword of a letter from 'a' to 'z'; "unknown-<n>" where the file has none.
  std::string name(char letter) const;
  // The letter of a keyword in any case; nothing when it has none.
  std::optional<char> letter(std::string_view keyword) const;
  // Gives it the first free letter, or returns the one it has. permanent: all 26 are taken, or the
  // text cannot be a keyword (RFC 9051 flag-keyword, at most 50 characters).
  Result<char> add(std::string_view keyword);

 private:
  std::array<std::string, max_keywords> names_;
};

}  // namespace postrider::mailbox
