#include "lib/table/replacement.h"

#include <cstdlib>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include "lib/os/credentials.h"
#include "lib/os/files.h"

namespace postrider::table {

namespace {

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<> check_directory(const std::string& target, const Context& context) {
  if (!os::running_as_root()) return {};
  const std::string directory = directory_of(target);
  const Result<os::FileStatus> status = context.files.stat(directory);
  if (!status) return fail(status.error());
  if (status->uid != 0) {
    const auto owner = os::find_user(status->uid);
    return fail(
        Trouble::access,
        fmt::format("refusing to create {} with root ownership: directory {} is owned by user {}", target,
                    directory, owner && *owner ? (*owner)->name : std::to_string(status->uid)));
  }
  if ((status->mode & 0002) != 0 && (status->mode & 01000) == 0)
    return fail(Trouble::access,
                fmt::format("refusing to create {} with root ownership: directory {} is writable for all",
                            target, directory));
  return {};
}

Result<> copy(os::Files& files, int from, const std::string& to) {
  const Result<os::Fd> out = files.open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!out) return fail(out.error());
  std::string block(256 * 1024, '\0');
  for (std::uint64_t offset = 0;;) {
    const Result<std::size_t> got = files.pread(from, block, offset);
    if (!got) return fail(got.error());
    if (*got == 0) return {};
    const Result<> wrote = files.write(out->get(), std::string_view(block).substr(0, *got));
    if (!wrote) return wrote;
    offset += *got;
  }
}

// The target, open and locked, once it is certain that it is still the one the name leads to.
Result<os::Fd> lock_current(os::Files& files, const std::string& target) {
  constexpr int attempts = 3000;
  constexpr timespec pause{0, 10'000'000};
  for (int i = 0; i < attempts; ++i) {
    Result<os::Fd> fd = files.open(target, O_RDWR);
    if (!fd) return fd;
    const Result<bool> locked = files.try_lock(fd->get(), true);
    if (!locked) return fail(locked.error());
    if (*locked) {
      const Result<os::FileStatus> held = files.fstat(fd->get());
      const Result<os::FileStatus> named = files.stat(target);
      if (!held) return fail(held.error());
      if (named && named->inode == held->inode && named->device == held->device) return fd;
    }
    nanosleep(&pause, nullptr);
  }
  return fail(Trouble::temporary, fmt::format("lock {}: held by another process for too long", target));
}

}  // namespace

Replacement::Replacement(std::string target, os::Files& files) : files_(&files), target_(std::move(target)) {
  temporary_ = fmt::format("{}.tmp.{}.{:x}", target_, getpid(),
                           static_cast<unsigned long>(SystemClock().mono().time_since_epoch().count()));
}

Replacement::Replacement(Replacement&& other) noexcept
    : files_(std::exchange(other.files_, nullptr)),
      target_(std::move(other.target_)),
      temporary_(std::move(other.temporary_)),
      mode_(other.mode_),
      owner_(other.owner_),
      locked_(std::move(other.locked_)) {}

Replacement::~Replacement() {
  // Whatever unlink says, there is nobody left to tell.
  if (files_ != nullptr) static_cast<void>(files_->unlink(temporary_));
}

Result<Replacement> Replacement::begin(std::string target, const Context& context) {
  if (const Result<> safe = check_directory(target, context); !safe) return fail(safe.error());
  Replacement made(std::move(target), context.files);
  if (const Result<os::FileStatus> status = context.files.stat(made.target_)) {
    made.mode_ = status->mode;
    made.owner_ = {status->uid, status->gid};
  }
  return made;
}

Result<Replacement> Replacement::begin_from_current(std::string target, const Context& context) {
  if (const Result<> safe = check_directory(target, context); !safe) return fail(safe.error());
  Result<os::Fd> locked = lock_current(context.files, target);
  if (!locked) return fail(locked.error());
  Replacement made(std::move(target), context.files);
  const Result<os::FileStatus> status = context.files.fstat(locked->get());
  if (!status) return fail(status.error());
  made.mode_ = status->mode;
  made.owner_ = {status->uid, status->gid};
  if (const Result<> copied = copy(context.files, locked->get(), made.temporary_); !copied)
    return fail(copied.error());
  made.locked_ = std::move(*locked);
  return made;
}

Result<> Replacement::commit(unsigned mode) {
  const Result<os::Fd> fd = files_->open(temporary_, O_RDWR | O_NOFOLLOW);
  if (!fd) return fail(fd.error());
  const Result<os::FileStatus> status = files_->fstat(fd->get());
  if (!status) return fail(status.error());
  if (owner_ && *owner_ != std::pair<unsigned, unsigned>(status->uid, status->gid)) {
    // A user who rebuilds a table keeps it as his own; only root hands files to others.
    const Result<> given = files_->chown(fd->get(), owner_->first, owner_->second);
    if (!given && os::running_as_root()) return given;
  }
  if (const Result<> done = files_->chmod(fd->get(), mode); !done) return done;
  if (const Result<> done = files_->fsync(fd->get()); !done) return done;
  if (const Result<> done = files_->rename(temporary_, target_); !done) return done;
  os::Files& files = *std::exchange(files_, nullptr);
  return files.sync_directory(directory_of(target_));
}

}  // namespace postrider::table
