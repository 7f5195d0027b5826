#include "lib/daemon/instance_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <fmt/core.h>

namespace postrider::daemon {

Result<InstanceLock> InstanceLock::take(os::Files& files, const std::string& path) {
  auto fd = files.open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0644);
  if (!fd) return fail(fd.error().within("open lock file"));
  const auto status = files.fstat(fd->get());
  if (!status) return fail(status.error());
  if (status->kind != os::FileStatus::Kind::regular || status->links != 1) {
    return fail(Trouble::configuration, fmt::format("open lock file {}: not a plain file", path));
  }
  const auto locked = files.try_lock(fd->get(), true);
  if (!locked) return fail(locked.error());
  if (!*locked) {
    return fail(
        Error::from_errno(EAGAIN, fmt::format("open lock file {}: unable to set exclusive lock", path)));
  }
  InstanceLock lock(std::move(*fd), path);
  if (auto written = lock.write_pid(files); !written) return fail(written.error());
  return lock;
}

Result<> InstanceLock::write_pid(os::Files& files) {
  // Padded, so that a reader never sees the end of a longer number.
  const std::string text = fmt::format("{:10}\n", ::getpid());
  if (auto written = files.pwrite(fd_.get(), text, 0); !written) return written;
  return files.truncate(fd_.get(), text.size());
}

Result<bool> is_locked(os::Files& files, const std::string& path) {
  const auto fd = files.open(path, O_RDWR | O_NOFOLLOW);
  if (!fd) {
    if (fd.error().is(Trouble::not_found)) return false;
    return fail(fd.error());
  }
  // Shared would let two askers pass; held only until this returns.
  const auto free = files.try_lock(fd->get(), true);
  if (!free) return fail(free.error());
  return !*free;
}

}  // namespace postrider::daemon
