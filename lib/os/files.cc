#include "lib/os/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <climits>
#include <memory>

#include <fmt/core.h>

namespace postrider::os {
namespace {

template <class F>
auto retry(F call) {
  auto value = call();
  while (value == -1 && errno == EINTR) value = call();
  return value;
}

// "write /var/spool/x" where /proc can tell the path, "write" in a chroot. Asked only on failure.
std::string describe(const char* operation, int fd) {
  const std::string link = fmt::format("/proc/self/fd/{}", fd);
  std::array<char, 1024> path;
  const ssize_t length = ::readlink(link.c_str(), path.data(), path.size());
  if (length <= 0) return operation;
  return fmt::format("{} {}", operation, std::string_view(path.data(), static_cast<std::size_t>(length)));
}

std::unexpected<Error> fail_on(int os_error, const char* operation, int fd) {
  return fail(Error::from_errno(os_error, describe(operation, fd)));
}
std::unexpected<Error> fail_on(int os_error, const char* operation, const std::string& path) {
  return fail(Error::from_errno(os_error, fmt::format("{} {}", operation, path)));
}

timespec to_timespec(WallTime time) {
  const auto since = time.time_since_epoch();
  const auto seconds = std::chrono::floor<Seconds>(since);
  timespec result{};
  result.tv_sec = seconds.count();
  result.tv_nsec = std::chrono::nanoseconds(since - seconds).count();
  return result;
}

WallTime to_wall_time(const timespec& time) {
  return WallTime(Seconds(time.tv_sec) +
                  std::chrono::duration_cast<Microseconds>(std::chrono::nanoseconds(time.tv_nsec)));
}

FileStatus to_status(const struct stat& from) {
  using Kind = FileStatus::Kind;
  FileStatus to;
  switch (from.st_mode & S_IFMT) {
    case S_IFREG: to.kind = Kind::regular; break;
    case S_IFDIR: to.kind = Kind::directory; break;
    case S_IFLNK: to.kind = Kind::symlink; break;
    case S_IFIFO: to.kind = Kind::fifo; break;
    case S_IFSOCK: to.kind = Kind::socket; break;
    default: break;
  }
  to.mode = from.st_mode & 07777;
  to.uid = from.st_uid;
  to.gid = from.st_gid;
  to.size = static_cast<std::uint64_t>(from.st_size);
  to.inode = from.st_ino;
  to.device = from.st_dev;
  to.links = from.st_nlink;
  to.modified = to_wall_time(from.st_mtim);
  to.changed = to_wall_time(from.st_ctim);
  return to;
}

class SystemFiles final : public Files {
 public:
  Result<Fd> open(const std::string& path, int flags, mode_t mode) override {
    const int fd = retry([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); });
    if (fd < 0) return fail_on(errno, "open", path);
    return Fd(fd);
  }

  Result<std::size_t> read(int fd, std::span<char> into) override {
    const ssize_t got = retry([&] { return ::read(fd, into.data(), into.size()); });
    if (got < 0) return fail_on(errno, "read", fd);
    return static_cast<std::size_t>(got);
  }

  Result<std::size_t> pread(int fd, std::span<char> into, std::uint64_t offset) override {
    const ssize_t got =
        retry([&] { return ::pread(fd, into.data(), into.size(), static_cast<off_t>(offset)); });
    if (got < 0) return fail_on(errno, "read", fd);
    return static_cast<std::size_t>(got);
  }

  Result<> write(int fd, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t done = retry([&] { return ::write(fd, bytes.data(), bytes.size()); });
      if (done < 0) return fail_on(errno, "write", fd);
      if (done == 0) return fail_on(EIO, "write", fd);
      bytes.remove_prefix(static_cast<std::size_t>(done));
    }
    return {};
  }

  Result<> pwrite(int fd, std::string_view bytes, std::uint64_t offset) override {
    while (!bytes.empty()) {
      const ssize_t done =
          retry([&] { return ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
      if (done < 0) return fail_on(errno, "write", fd);
      if (done == 0) return fail_on(EIO, "write", fd);
      bytes.remove_prefix(static_cast<std::size_t>(done));
      offset += static_cast<std::uint64_t>(done);
    }
    return {};
  }

  Result<> pwritev(int fd, std::span<const iovec> parts, std::uint64_t offset) override {
    std::vector<iovec> left(parts.begin(), parts.end());
    std::size_t first = 0;
    while (true) {
      while (first < left.size() && left[first].iov_len == 0) ++first;
      if (first == left.size()) return {};
      const int count = static_cast<int>(std::min<std::size_t>(left.size() - first, IOV_MAX));
      const ssize_t done =
          retry([&] { return ::pwritev(fd, &left[first], count, static_cast<off_t>(offset)); });
      if (done < 0) return fail_on(errno, "write", fd);
      if (done == 0) return fail_on(EIO, "write", fd);
      offset += static_cast<std::uint64_t>(done);
      for (std::size_t written = static_cast<std::size_t>(done); written > 0;) {
        iovec& part = left[first];
        const std::size_t here = std::min(written, part.iov_len);
        part.iov_base = static_cast<char*>(part.iov_base) + here;
        part.iov_len -= here;
        written -= here;
        if (part.iov_len == 0) ++first;
      }
    }
  }

  Result<> fsync(int fd) override {
    if (retry([&] { return ::fsync(fd); }) < 0) return fail_on(errno, "fsync", fd);
    return {};
  }

  Result<> fdatasync(int fd) override {
    if (retry([&] { return ::fdatasync(fd); }) < 0) return fail_on(errno, "fdatasync", fd);
    return {};
  }

  // posix_fallocate writes where the file system cannot reserve; it returns its error.
  Result<> allocate(int fd, std::uint64_t offset, std::uint64_t length) override {
    int status = 0;
    do {
      status = ::posix_fallocate(fd, static_cast<off_t>(offset), static_cast<off_t>(length));
    } while (status == EINTR);
    if (status != 0) return fail_on(status, "allocate", fd);
    return {};
  }

  Result<> truncate(int fd, std::uint64_t length) override {
    if (retry([&] { return ::ftruncate(fd, static_cast<off_t>(length)); }) < 0) {
      return fail_on(errno, "truncate", fd);
    }
    return {};
  }

  Result<WrittenRange> written_range(int fd, std::uint64_t offset) override {
    (void)::posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
    const off_t size = ::lseek(fd, 0, SEEK_END);
    if (size < 0) return fail_on(errno, "seek", fd);
    const WrittenRange all{offset, std::max(static_cast<std::uint64_t>(size), offset)};
    const off_t begin = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
    if (begin < 0 && errno == ENXIO) return WrittenRange{all.end, all.end};
    const off_t end = begin < 0 ? -1 : ::lseek(fd, begin, SEEK_HOLE);
    if (end < 0) return all;
    return WrittenRange{static_cast<std::uint64_t>(begin), static_cast<std::uint64_t>(end)};
  }

  Result<> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) < 0) {
      return fail_on(errno, "rename", fmt::format("{} to {}", from, to));
    }
    return {};
  }

  Result<> link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) < 0) {
      return fail_on(errno, "link", fmt::format("{} to {}", from, to));
    }
    return {};
  }

  Result<> unlink(const std::string& path) override {
    if (::unlink(path.c_str()) < 0) return fail_on(errno, "unlink", path);
    return {};
  }

  Result<> mkdir(const std::string& path, mode_t mode) override {
    if (::mkdir(path.c_str(), mode) < 0) return fail_on(errno, "mkdir", path);
    return {};
  }

  Result<> rmdir(const std::string& path) override {
    if (::rmdir(path.c_str()) < 0) return fail_on(errno, "rmdir", path);
    return {};
  }

  Result<> sync_directory(const std::string& path) override {
    const Fd directory(retry([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (!directory) return fail_on(errno, "open", path);
    // EINVAL: this file system has nothing to write for a directory.
    if (retry([&] { return ::fsync(directory.get()); }) < 0 && errno != EINVAL) {
      return fail_on(errno, "fsync", path);
    }
    return {};
  }

  Result<FileStatus> stat(const std::string& path) override {
    struct stat status{};
    if (retry([&] { return ::stat(path.c_str(), &status); }) < 0) return fail_on(errno, "stat", path);
    return to_status(status);
  }

  Result<FileStatus> lstat(const std::string& path) override {
    struct stat status{};
    if (retry([&] { return ::lstat(path.c_str(), &status); }) < 0) return fail_on(errno, "stat", path);
    return to_status(status);
  }

  Result<FileStatus> fstat(int fd) override {
    struct stat status{};
    if (retry([&] { return ::fstat(fd, &status); }) < 0) return fail_on(errno, "stat", fd);
    return to_status(status);
  }

  Result<> chmod(int fd, mode_t mode) override {
    if (retry([&] { return ::fchmod(fd, mode); }) < 0) return fail_on(errno, "chmod", fd);
    return {};
  }

  Result<> chown(int fd, uid_t uid, gid_t gid) override {
    if (retry([&] { return ::fchown(fd, uid, gid); }) < 0) return fail_on(errno, "chown", fd);
    return {};
  }

  Result<> set_modified(int fd, WallTime modified) override {
    const timespec times[2] = {{0, UTIME_OMIT}, to_timespec(modified)};
    if (::futimens(fd, times) < 0) return fail_on(errno, "set time of", fd);
    return {};
  }

  Result<> set_modified(const std::string& path, WallTime modified) override {
    const timespec times[2] = {{0, UTIME_OMIT}, to_timespec(modified)};
    if (::utimensat(AT_FDCWD, path.c_str(), times, 0) < 0) return fail_on(errno, "set time of", path);
    return {};
  }

  Result<> list(const std::string& directory, const std::function<bool(std::string_view)>& each) override {
    Fd fd(retry([&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (!fd) return fail_on(errno, "open", directory);
    const auto close_stream = [](DIR* stream) { ::closedir(stream); };
    const std::unique_ptr<DIR, decltype(close_stream)> stream(::fdopendir(fd.get()), close_stream);
    if (!stream) return fail_on(errno, "open", directory);
    (void)fd.release();
    while (true) {
      errno = 0;
      const dirent* entry = ::readdir(stream.get());
      if (entry == nullptr) {
        if (errno != 0) return fail_on(errno, "read", directory);
        return {};
      }
      const std::string_view name(entry->d_name);
      if (name == "." || name == "..") continue;
      if (!each(name)) return {};
    }
  }

  Result<bool> try_lock(int fd, bool exclusive) override {
    if (retry([&] { return ::flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB); }) == 0) return true;
    if (errno == EWOULDBLOCK) return false;
    return fail_on(errno, "lock", fd);
  }

  Result<bool> try_record_lock(int fd, bool exclusive) override {
    struct flock whole{};
    whole.l_type = static_cast<short>(exclusive ? F_WRLCK : F_RDLCK);
    whole.l_whence = SEEK_SET;
    if (retry([&] { return ::fcntl(fd, F_OFD_SETLK, &whole); }) == 0) return true;
    if (errno == EAGAIN || errno == EACCES) return false;
    return fail_on(errno, "lock", fd);
  }
};

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Files& system_files() {
  static SystemFiles files;
  return files;
}

Result<std::string> read_file(Files& files, const std::string& path, std::size_t limit) {
  auto fd = files.open(path, O_RDONLY);
  if (!fd) return fail(fd.error());
  std::string content;
  while (true) {
    const std::size_t had = content.size();
    const std::size_t want = std::min<std::size_t>(limit + 1 - had, 65536);
    content.resize(had + want);
    const auto got = files.read(fd->get(), std::span(content).subspan(had));
    if (!got) return fail(got.error());
    content.resize(had + *got);
    if (*got == 0) return content;
    if (content.size() > limit) {
      return fail(Trouble::permanent, fmt::format("{} is longer than {} bytes", path, limit));
    }
  }
}

Result<> replace_file(Files& files, const std::string& path, std::string_view content, mode_t mode) {
  static std::atomic<unsigned> serial = 0;
  const std::string directory = directory_of(path);
  const std::string name = path.substr(path.rfind('/') + 1);  // npos + 1 is 0

  std::string temporary;
  Fd fd;
  for (int attempt = 0; !fd; ++attempt) {
    // The dot keeps scanners of the directory from taking the unfinished file for an entry.
    temporary = fmt::format("{}/.{}.{}-{}.new", directory, name, ::getpid(), serial++);
    auto opened = files.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (opened) {
      fd = std::move(*opened);
    } else if (opened.error().os_error() != EEXIST || attempt >= 100) {
      return fail(opened.error());
    }
  }

  Result<> done = files.write(fd.get(), content);
  if (done) done = files.chmod(fd.get(), mode);
  if (done) done = files.fsync(fd.get());
  fd.reset();
  if (done) done = files.rename(temporary, path);
  if (!done) {
    (void)files.unlink(temporary);
    return done;
  }
  return files.sync_directory(directory);
}

Result<> make_directories(Files& files, const std::string& path, mode_t mode) {
  std::size_t end = 0;
  while (end < path.size()) {
    end = std::min(path.find('/', end + 1), path.size());
    const std::string prefix = path.substr(0, end);
    if (prefix == "/" || prefix == "." || prefix == "..") continue;
    const auto made = files.mkdir(prefix, mode);
    if (made) continue;
    const auto status = files.stat(prefix);
    if (!status) return fail(made.error());
    if (status->kind != FileStatus::Kind::directory) {
      return fail(Error::from_errno(ENOTDIR, fmt::format("mkdir {}", prefix)));
    }
  }
  return {};
}

std::string absolute_path(const std::string& path) {
  if (path.starts_with('/')) return path;
  char here[PATH_MAX];
  if (::getcwd(here, sizeof here) == nullptr) return "";
  return path.empty() || path == "." ? std::string(here) : fmt::format("{}/{}", here, path);
}

Result<Fd> memory_file(std::string_view name, std::span<const std::string_view> parts) {
  const std::string label(name.substr(0, 64));
  Fd fd(::memfd_create(label.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return fail_errno("memfd_create");
  for (const std::string_view part : parts) {
    if (auto written = system_files().write(fd.get(), part); !written) return fail(written.error());
  }
  if (::lseek(fd.get(), 0, SEEK_SET) < 0) return fail_errno("seek in memory file");
  constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  if (::fcntl(fd.get(), F_ADD_SEALS, seals) < 0) return fail_errno("seal memory file");
  return fd;
}

}  // namespace postrider::os
