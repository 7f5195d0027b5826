// A message of an opened Maildir, as its directory and dovecot-uidlist describe it.
#pragma once

#include <cstdint>
#include <string_view>

namespace postrider::mailbox {

inline constexpr std::uint64_t unknown_size = static_cast<std::uint64_t>(-1);

// Views into memory of the Maildir or Snapshot that the message is of.
struct MaildirMessage {
  std::uint32_t uid = 0;
  std::string_view name;                      // in cur/, flags included
  std::string_view fields;                    // of the uidlist record, see uid_field()
  std::uint64_t size = unknown_size;          // of the file
  std::uint64_t virtual_size = unknown_size;  // when every line ends in CRLF; see Maildir::measure()
};

}  // namespace postrider::mailbox
