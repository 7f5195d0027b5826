#include "lib/mailbox/dot_lock.h"

#include <atomic>
#include <csignal>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/core.h>

#include "lib/base/text.h"

namespace postrider::mailbox {

namespace {

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
}

// Whether the lock file's "<pid>:<host>" names a process of this machine that no longer exists.
bool holder_is_dead(os::Files& files, int fd) {
  char bytes[300];
  const auto got = files.pread(fd, bytes, 0);
  if (!got) return false;
  const std::string_view text(bytes, *got);
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || trim(text.substr(colon + 1)) != host_name()) return false;
  const auto pid = parse_number<pid_t>(text.substr(0, colon));
  return pid && *pid > 0 && ::kill(*pid, 0) != 0 && errno == ESRCH;
}

// Whether nobody stands behind the lock file any more.
bool abandoned(os::Files& files, const std::string& lock_path, bool old) {
  const auto fd = files.open(lock_path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) return old;
  const auto free = files.try_lock(fd->get(), true);
  if (free && !*free) return false;
  return old || holder_is_dead(files, fd->get());
}

// Takes an abandoned lock file away. It is moved aside first, so that of two processes which both
// saw it abandoned none removes the other's new lock.
void remove_abandoned(os::Files& files, const std::string& lock_path, std::uint64_t inode) {
  static std::atomic<unsigned> serial = 0;
  const std::string aside = fmt::format("{}.{}-{}", lock_path, ::getpid(), serial++);
  if (!files.rename(lock_path, aside)) return;
  const auto moved = files.lstat(aside);
  if (moved && moved->inode != inode) (void)files.link(aside, lock_path);
  (void)files.unlink(aside);
}

}  // namespace

// An empty descriptor when the lock file exists already. It gets its name with its holder in it: one whose
// maker was killed before he wrote that would be in everybody's way until it is stale.
Result<DotLock::Created> DotLock::try_create(os::Files& files, const std::string& lock_path) {
  static std::atomic<unsigned> serial = 0;
  const std::string unnamed = fmt::format("{}.{}-{}.new", lock_path, ::getpid(), serial++);
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  auto fd = files.open(unnamed, flags, 0600);
  if (!fd) return fail(fd.error());
  const auto status = files.fstat(fd->get());
  if (!status) {
    (void)files.unlink(unnamed);
    return fail(status.error());
  }
  // What is written only helps others to find a dead holder: a full disk must not keep anyone from
  // deleting mail.
  (void)files.write(fd->get(), fmt::format("{}:{}", ::getpid(), host_name()));
  const auto named = files.link(unnamed, lock_path);
  (void)files.unlink(unnamed);
  if (named) return Created{std::move(*fd), status->inode};
  const int why = named.error().os_error();
  if (why == EEXIST) return Created{};
  if (why != EPERM && why != EOPNOTSUPP && why != ENOSYS) return fail(named.error());
  // A file system without hard links: the name first.
  fd = files.open(lock_path, flags, 0600);
  if (!fd && fd.error().os_error() == EEXIST) return Created{};
  if (!fd) return fail(fd.error());
  const auto created = files.fstat(fd->get());
  if (!created) {
    (void)files.unlink(lock_path);
    return fail(created.error());
  }
  (void)files.write(fd->get(), fmt::format("{}:{}", ::getpid(), host_name()));
  return Created{std::move(*fd), created->inode};
}

DotLock::DotLock(os::Files& files, std::string lock_path, Created created)
    : files_(&files), lock_path_(std::move(lock_path)), inode_(created.inode), held_(std::move(created.fd)) {}

Result<DotLock> DotLock::acquire(os::Files& files, const Clock& clock, const std::string& path,
                                 const Wait& wait) {
  const std::string lock_path = path + ".lock";
  Milliseconds waited{0};
  for (;;) {
    auto created = try_create(files, lock_path);
    if (!created) return fail(created.error().within("lock"));
    if (created->fd) {
      if (wait.for_session) {
        (void)files.try_lock(created->fd.get(), true);
      } else {
        created->fd.reset();
      }
      return DotLock(files, lock_path, std::move(*created));
    }

    const auto status = files.lstat(lock_path);
    if (!status) {
      if (!status.error().is(Trouble::not_found)) return fail(status.error());
    } else if (abandoned(files, lock_path, clock.wall() - status->modified > wait.stale)) {
      remove_abandoned(files, lock_path, status->inode);
      if (waited == Milliseconds{0}) {
        waited += Milliseconds{1};
        continue;
      }
    }
    if (waited >= wait.timeout)
      return fail(Trouble::temporary, fmt::format("{}: held by another process", lock_path));
    std::this_thread::sleep_for(wait.pause);
    waited += wait.pause;
  }
}

Result<DotLock> DotLock::acquire(os::Files& files, const Clock& clock, const std::string& path) {
  return acquire(files, clock, path, Wait{});
}

DotLock::DotLock(DotLock&& other) noexcept
    : files_(std::exchange(other.files_, nullptr)),
      lock_path_(std::move(other.lock_path_)),
      inode_(other.inode_),
      held_(std::move(other.held_)) {}

DotLock& DotLock::operator=(DotLock&& other) noexcept {
  if (this != &other) {
    release();
    files_ = std::exchange(other.files_, nullptr);
    lock_path_ = std::move(other.lock_path_);
    inode_ = other.inode_;
    held_ = std::move(other.held_);
  }
  return *this;
}

DotLock::~DotLock() { release(); }

void DotLock::release() {
  if (files_ == nullptr) return;
  const auto status = files_->lstat(lock_path_);
  if (status && status->inode == inode_) (void)files_->unlink(lock_path_);
  held_.reset();
  files_ = nullptr;
}

}  // namespace postrider::mailbox
