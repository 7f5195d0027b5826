#include "lib/mailbox/mbox_lock.h"

#include <thread>

#include <fmt/core.h>

#include "lib/base/text.h"

namespace postrider::mailbox {

Result<std::vector<MboxLock>> parse_mbox_locks(std::string_view text) {
  std::vector<MboxLock> locks;
  for (const auto word : split_any(text, ", \t\r\n")) {
    if (word == "fcntl") {
      locks.push_back(MboxLock::fcntl);
    } else if (word == "dotlock") {
      locks.push_back(MboxLock::dotlock);
    } else if (word == "flock") {
      locks.push_back(MboxLock::flock);
    } else {
      return fail(Trouble::configuration, fmt::format("unknown mailbox lock method \"{}\"", word));
    }
  }
  return locks;
}

Result<MboxLocks> MboxLocks::acquire(os::Files& files, const Clock& clock, const std::string& path, int fd,
                                     bool exclusive, const MboxOptions& options) {
  MboxLocks held;
  for (const auto method : options.locks) {
    if (method == MboxLock::dotlock) {
      auto lock = DotLock::acquire(files, clock, path,
                                   {.stale = options.stale_lock,
                                    .timeout = options.lock_delay * static_cast<int>(options.lock_attempts),
                                    .pause = options.lock_delay});
      if (lock) {
        held.dot_lock_ = std::move(*lock);
      } else if (!lock.error().is(Trouble::access) || !options.dotlock_may_fail) {
        return fail(lock.error());
      }
      continue;
    }
    for (unsigned attempt = 1;; ++attempt) {
      const auto taken =
          method == MboxLock::fcntl ? files.try_record_lock(fd, exclusive) : files.try_lock(fd, exclusive);
      if (!taken) return fail(taken.error());
      if (*taken) break;
      if (attempt >= options.lock_attempts) {
        return fail(Trouble::temporary, fmt::format("unable to lock for exclusive access: {}", path));
      }
      std::this_thread::sleep_for(options.lock_delay);
    }
  }
  return held;
}

}  // namespace postrider::mailbox
