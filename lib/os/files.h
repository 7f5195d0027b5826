// The file system, as the queue, the mailboxes and the tools see it: an interface, so that tests can
// fail the k-th call (tests/unit/os/faulty_files.h) and the crash recorder can watch.
//
// Every call is retried on EINTR. Errors are Error::from_errno with the operation and path in the
// text. Calls block: never from a loop that serves others, except on memory-backed descriptors and
// reads expected in the page cache. Stateless and usable from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/os/fd.h"

struct iovec;

namespace postrider::os {

struct FileStatus {
  enum class Kind { regular, directory, symlink, fifo, socket, other };
  Kind kind = Kind::other;
  mode_t mode = 0;  // permission bits only
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint64_t size = 0;
  std::uint64_t inode = 0;
  std::uint64_t device = 0;
  std::uint64_t links = 0;
  WallTime modified;
  WallTime changed;  // ctime: when the inode last changed, which no one can set back
};

struct WrittenRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

class Files {
 public:
  virtual ~Files() = default;

  // open(2) with O_CLOEXEC added. Add O_NOFOLLOW for whatever a stranger may have planted.
  virtual Result<Fd> open(const std::string& path, int flags, mode_t mode = 0600) = 0;

  // Short counts are possible; 0 from read is end of file.
  virtual Result<std::size_t> read(int fd, std::span<char> into) = 0;
  virtual Result<std::size_t> pread(int fd, std::span<char> into, std::uint64_t offset) = 0;
  // All of it or an error.
  virtual Result<> write(int fd, std::string_view bytes) = 0;
  virtual Result<> pwrite(int fd, std::string_view bytes, std::uint64_t offset) = 0;
  virtual Result<> pwritev(int fd, std::span<const iovec> parts, std::uint64_t offset) = 0;

  virtual Result<> fsync(int fd) = 0;
  virtual Result<> fdatasync(int fd) = 0;
  // Reserves blocks so that later writes in the range cannot meet a full disk; the size grows.
  virtual Result<> allocate(int fd, std::uint64_t offset, std::uint64_t length) = 0;
  virtual Result<> truncate(int fd, std::uint64_t length) = 0;
  // The next range at `offset` or behind it that was written; empty, at the file's end, when there is none.
  // What lies between ranges reads as zeros. File systems that cannot tell call everything written. Moves the
  // file position and turns read-ahead off, which would make data of what was never written.
  virtual Result<WrittenRange> written_range(int fd, std::uint64_t offset) = 0;

  virtual Result<> rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
  virtual Result<> link(const std::string& from, const std::string& to) = 0;    // EEXIST if `to` exists
  virtual Result<> unlink(const std::string& path) = 0;
  virtual Result<> mkdir(const std::string& path, mode_t mode) = 0;
  virtual Result<> rmdir(const std::string& path) = 0;
  // Makes entries of the directory durable (fsync on the directory itself).
  virtual Result<> sync_directory(const std::string& path) = 0;

  virtual Result<FileStatus> stat(const std::string& path) = 0;   // follows links
  virtual Result<FileStatus> lstat(const std::string& path) = 0;  // does not
  virtual Result<FileStatus> fstat(int fd) = 0;
  virtual Result<> chmod(int fd, mode_t mode) = 0;
  virtual Result<> chown(int fd, uid_t uid, gid_t gid) = 0;
  virtual Result<> set_modified(int fd, WallTime modified) = 0;
  virtual Result<> set_modified(const std::string& path, WallTime modified) = 0;

  // Calls `each` with every name but "." and ".." in directory order, until it returns false.
  virtual Result<> list(const std::string& directory, const std::function<bool(std::string_view)>& each) = 0;

  // Whole-file advisory lock (flock): exclusive or shared; false when held elsewhere.
  virtual Result<bool> try_lock(int fd, bool exclusive) = 0;
  // The same with fcntl record locks, which mail readers take on mbox files. Held by the open file, so
  // closing another descriptor of it does not let go. Exclusive needs a descriptor open for writing.
  virtual Result<bool> try_record_lock(int fd, bool exclusive) = 0;
};

// The kernel's file system.
Files& system_files();

// The file's whole content; Trouble::permanent when it is longer than `limit`.
Result<std::string> read_file(Files& files, const std::string& path, std::size_t limit);

// Replaces `path` so that a reader or a crash sees the old or the new content, never part of one:
// temporary file in the same directory, fsync, rename, fsync of the directory. A symbolic link at `path`
// is replaced, not followed; the umask is ignored. A crash may leave ".<name>.<pid>-<n>.new" behind.
Result<> replace_file(Files& files, const std::string& path, std::string_view content, mode_t mode);

// Creates the directory and its missing parents.
Result<> make_directories(Files& files, const std::string& path, mode_t mode);

// The path from the root, for programs that change their working directory; "" if that has no name any more.
std::string absolute_path(const std::string& path);

// An unnamed file in memory holding `content`, sealed against change, positioned at 0. Receivers
// of the descriptor read it with pread, since the position is shared.
Result<Fd> memory_file(std::string_view name, std::span<const std::string_view> parts);

}  // namespace postrider::os
