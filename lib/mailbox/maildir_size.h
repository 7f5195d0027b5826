// maildirsize: the Maildir++ quota file in the root of a user's tree.
//
//   <bytes>S,<count>C          the limits, either part optional, 0 none
//   <bytes> <count>            what is stored, then one line per change, signed
//
// Whoever stores or removes a message appends a line; nobody locks. It is written anew when it grew
// beyond 5120 bytes, or seems to refuse mail and may be wrong.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/os/files.h"

namespace postrider::mailbox {

struct MaildirSize {
  std::uint64_t bytes_limit = 0;
  std::uint64_t count_limit = 0;
  std::int64_t bytes = 0;
  std::int64_t count = 0;

  bool has_room(std::uint64_t more_bytes, std::uint64_t more_count) const;
};

// What the file says now, after counting anew where the rules ask for it; nullopt when the tree has
// no quota. `more_bytes`, `more_count`: what is about to be stored (for "over quota").
Result<std::optional<MaildirSize>> check_quota(os::Files& files, const Clock& clock, const std::string& root,
                                               std::uint64_t more_bytes, std::uint64_t more_count);

// Notes a change; no file, no note.
Result<> note_quota(os::Files& files, const std::string& root, std::int64_t bytes, std::int64_t count);

// The root of the tree that a Maildir belongs to: its parent for a folder (".A.B"), else itself.
std::string quota_root(const std::string& directory);

}  // namespace postrider::mailbox
