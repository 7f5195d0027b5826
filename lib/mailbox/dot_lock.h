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
  };

  // temporary: held by another; access: the directory does not let us.
  static Result<DotLock> acquire(os::Files& files, const Clock& clock, const std::string& path,
                                 const Wait& wait);
  static Result<DotLock> acquire(os::Files& files, const Clock& clock, const std::string& path);

  DotLock(DotLock&& other) noexcept;
  DotLock& operator=(DotLock&& other) noexcept;
  ~DotLock();  // removes the lock file if it is still ours

 private:
  DotLock(os::Files& files, std::string lock_path, std::uint64_t inode)
      : files_(&files), lock_path_(std::move(lock_path)), inode_(inode) {}
  void release();

  os::Files* files_;  // null once moved from
  std::string lock_path_;
  std::uint64_t inode_;
};

}  // namespace postrider::mailbox
