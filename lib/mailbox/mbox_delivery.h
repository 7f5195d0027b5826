// Delivery to mbox files: locked, checked against planted links, appended, made durable; cut back to
// what it was when anything fails. Used by local and virtual as the recipient, never as root.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/mailbox/content.h"
#include "lib/os/files.h"

namespace postrider::mailbox {

enum class MboxLock { fcntl, dotlock, flock };

// mailbox_delivery_lock, virtual_mailbox_lock: "fcntl, dotlock", in the order taken. configuration: an
// unknown word.
Result<std::vector<MboxLock>> parse_mbox_locks(std::string_view text);

struct MboxOptions {
  std::vector<MboxLock> locks = {MboxLock::fcntl, MboxLock::dotlock};
  unsigned lock_attempts = 20;    // deliver_lock_attempts
  Milliseconds lock_delay{1000};  // deliver_lock_delay
  Seconds stale_lock{500};        // stale_lock_time
  bool dotlock_may_fail = false;  // where the directory does not let us make one (files named by aliases)
  std::uint64_t size_limit = 0;   // of the whole file; 0: none
  std::optional<uid_t> owner;     // whose the file must be (strict_mailbox_ownership)
};

// Appends one message: `separator` ("From sender date\n"), head, content with "From " lines quoted ">", and
// a blank line. Success is on stable storage. The calling thread sleeps while others hold a lock.
//  access      a symbolic or hard link, not a regular file, or not the owner's
//  no_space    the disk is full (ENOSPC) or the user's quota (EDQUOT)
//  permanent   the file would pass size_limit (EFBIG)
//  temporary   locked by another, or I/O trouble
Result<> deliver_to_mbox(os::Files& files, const Clock& clock, const std::string& path,
                         std::string_view separator, const Content& content, const MboxOptions& options);

}  // namespace postrider::mailbox
