// Lock files as Dovecot and the mail tools of old know them: `<path>.lock`, made with O_EXCL,
// holding "<pid>:<host>". For dovecot-uidlist, subscriptions and mbox files. Advisory.
#pragma once

#include <string>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/os/files.h"

namespace postrider::mailbox {

class DotLock {
 public:
  struct Wait {
    Seconds stale{120};          // a lock file older than this is taken over; so is a dead process' one
    Milliseconds timeout{5000};  // how long to wait for a live holder; 0: one try
    Milliseconds pause{20};      // between tries; the calling thread sleeps
    // Kept for a whole session: the lock file is also flock()ed, and never taken over while it is.
    bool for_session = false;
  };

  // temporary: held by another; access: the directory does not let us.
  static Result<DotLock> acquire(os::Files& files, const Clock& clock, const std::string& path,
                                 const Wait& wait);
  static Result<DotLock> acquire(os::Files& files, const Clock& clock, const std::string& path);

  DotLock(DotLock&& other) noexcept;
  DotLock& operator=(DotLock&& other) noexcept;
  ~DotLock();  // removes the lock file if it is still ours

 private:
  struct Created {
    os::Fd fd;
    std::uint64_t inode = 0;
  };
  static Result<Created> try_create(os::Files& files, const std::string& lock_path);
  DotLock(os::Files& files, std::string lock_path, Created created);
  void release();

  os::Files* files_;  // null once moved from
  std::string lock_path_;
  std::uint64_t inode_;
  os::Fd held_;  // only for a session
};

}  // namespace postrider::mailbox
