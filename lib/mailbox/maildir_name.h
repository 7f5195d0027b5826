// Names of message files in a Maildir: what they say, and new ones.
//
//   <secs>.M<usec>P<pid>Q<seq>.<host>,S=<bytes>,W=<bytes with CRLF>:2,<flags>[,<rest>]
//   `------------------------ base ------------------------------'  `- info ------'
//
// Used by delivery, by sessions and by dovecot-uidlist. Names come from whoever may write to the
// directory: nothing in them is trusted, and nothing here fails on them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/clock.h"

namespace postrider::mailbox {

// Views into the name that was parsed.
struct MaildirName {
  std::string_view base;                      // up to ':'; stays the same for the message's life
  std::string_view flags;                     // letters between "2," and the next ',' or the end
  std::optional<std::uint64_t> size;          // ,S= octets of the file
  std::optional<std::uint64_t> virtual_size;  // ,W= octets when every line ends in CRLF
};

MaildirName parse_maildir_name(std::string_view name);

// The name with the flag letters of `add` set and those of `remove` cleared, always with ":2,". Letters
// are sorted; unknown ones and whatever follows a second comma are kept.
std::string with_flags(std::string_view name, std::string_view add, std::string_view remove);

// Arrival order of two base names when both still need a UID: seconds, microseconds, then bytes.
bool arrived_before(std::string_view base_a, std::string_view base_b);

// A host name as it may stand in a file name: '/' and ':' become "\057" and "\072", ',' "\054".
std::string maildir_host(std::string_view host);

// Makes base names (without sizes) no one else makes: time never repeats within one object, and one
// process should have one object. Not thread-safe.
class UniqueNames {
 public:
  // `clock` must outlive the object.
  UniqueNames(const Clock& clock, std::string_view host);
  std::string next();

 private:
  const Clock& clock_;
  std::string host_;
  Microseconds last_{0};
  std::uint64_t sequence_ = 0;
};

}  // namespace postrider::mailbox
