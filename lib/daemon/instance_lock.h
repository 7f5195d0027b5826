// Only one master per queue and per data directory: pid/master.pid and master.lock, locked as long as
// the process lives. The lock dies with the process, so a file left by a crash is no obstacle. Taken by
// master, asked after by `postrider`.
#pragma once

#include <optional>
#include <string>

#include <sys/types.h>

#include "lib/base/error.h"
#include "lib/os/files.h"

namespace postrider::daemon {

class InstanceLock {
 public:
  // Takes the lock and writes our pid. Trouble::temporary when another process holds it; its text is
  // Postfix's "open lock file <path>: unable to set exclusive lock: Resource temporarily unavailable".
  static Result<InstanceLock> take(os::Files& files, const std::string& path);

  // Writes the pid again: after a fork the child keeps the lock under its own number.
  Result<> write_pid(os::Files& files);

 private:
  InstanceLock(os::Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  os::Fd fd_;
  std::string path_;
};

// Whether a process holds the lock at `path`, without waiting for it or taking it from anybody. A file
// that does not exist is not locked.
Result<bool> is_locked(os::Files& files, const std::string& path);

}  // namespace postrider::daemon
