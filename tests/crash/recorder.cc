// Writes down, in order, what programs do to files: a shared object that stands in front of libc.
//
// powercut.py links the programs that own the queue and the mailboxes with it (mk/crash.mk); it finds the
// record in `record` beside the directory of the program, or finds none and does nothing. The record is
// shared memory that all processes append to under one lock, held over the call and its entry, so that the
// order of the entries is the order of the calls. A sync is two entries: it makes durable what stood before
// the first, and not until the second.
//
//   page 0   0 tail (u64)   8 lock (u32)   16 capacity (u64)   24 last sync (u64)
//           64 the directories watched, a line feed behind each
//   entry    0 bytes (u32)  4 kind (u16)   8 inode   16 directory   24 other directory   32 a   40 b
//           48 names, a NUL behind each, or data
//
// Files are known by inode. Directories outside those watched are ignored, and so is reading.
#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

enum Kind : std::uint16_t {
  created = 1,
  made_directory,
  unlinked,
  removed_directory,
  renamed,
  linked,
  written,
  truncated,
  allocated,
  sync_begun,
  sync_ended,
  time_set,
  owner_set,
  noted
};

struct Shared {
  std::atomic<std::uint64_t> tail;
  std::atomic<std::uint32_t> lock;
  std::uint64_t capacity;
  std::atomic<std::uint64_t> syncs;
};
struct Entry {
  std::uint32_t bytes = 0;
  std::uint16_t kind = 0, unused = 0;
  std::uint64_t inode = 0, directory = 0, other = 0, a = 0, b = 0;
};
static_assert(sizeof(Entry) == 48);
constexpr std::size_t watched_at = 64;
constexpr std::size_t most_descriptors = 1U << 16;

Shared* shared = nullptr;
std::atomic<std::uint64_t> inode_of[most_descriptors];  // of watched files and directories; 0: not watched

template <class F>
F real(const char* name) {
  return reinterpret_cast<F>(::dlsym(RTLD_NEXT, name));
}
#define REAL(name)                                           \
  (*[] {                                                     \
    static const auto call = real<decltype(&::name)>(#name); \
    return call;                                             \
  }())

class Lock {
 public:
  Lock() {
    while (shared->lock.exchange(1, std::memory_order_acquire) != 0) ::sched_yield();
  }
  ~Lock() {
    const int before = errno;
    shared->lock.store(0, std::memory_order_release);
    errno = before;
  }
};

// With the lock held.
void append(Entry entry, const char* text = "", std::size_t length = 0, const char* second = nullptr) {
  const std::size_t more = second == nullptr ? 0 : std::strlen(second) + 1;
  const std::size_t bytes = (sizeof entry + length + more + 7) / 8 * 8;
  const std::uint64_t at = shared->tail.load();
  if (at + bytes > shared->capacity) std::abort();  // a record with a gap would prove nothing
  entry.bytes = static_cast<std::uint32_t>(sizeof entry + length + more);
  char* to = reinterpret_cast<char*>(shared) + at;
  std::memcpy(to, &entry, sizeof entry);
  std::memcpy(to + sizeof entry, text, length);
  if (more > 0) std::memcpy(to + sizeof entry + length, second, more);
  shared->tail.store(at + bytes);
}

void map_record(const char* path) {
  const int fd = REAL(open)(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  struct stat status{};
  if (::fstat(fd, &status) == 0 && status.st_size > 4096) {
    void* memory =
        ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED) shared = static_cast<Shared*>(memory);
  }
  ::close(fd);
}

__attribute__((constructor)) void begin() {
  char path[PATH_MAX + 16];
  const ssize_t length = ::readlink("/proc/self/exe", path, PATH_MAX);
  if (length <= 0) return;
  path[length] = '\0';
  for (int level = 0; level < 2; ++level)
    if (char* slash = std::strrchr(path, '/')) *slash = '\0';
  std::strcat(path, "/record");
  map_record(path);
}

// The absolute path, and whether it is in a directory that is watched.
bool watched(int directory, const char* name, char (&path)[PATH_MAX]) {
  if (shared == nullptr || name == nullptr) return false;
  if (name[0] == '/') {
    std::snprintf(path, sizeof path, "%s", name);
  } else {
    char here[PATH_MAX];
    if (directory == AT_FDCWD) {
      if (::getcwd(here, sizeof here) == nullptr) return false;
    } else {
      char link[64];
      std::snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
      const ssize_t length = ::readlink(link, here, sizeof here - 1);
      if (length <= 0) return false;
      here[length] = '\0';
    }
    while (name[0] == '.' && name[1] == '/') name += 2;
    if (std::snprintf(path, sizeof path, "%s/%s", here, name) >= PATH_MAX) return false;
  }
  const char* text = reinterpret_cast<const char*>(shared) + watched_at;
  while (*text != '\0') {
    const char* end = std::strchr(text, '\n');
    const auto length = static_cast<std::size_t>(end - text);
    if (std::strncmp(path, text, length) == 0 && (path[length] == '/' || path[length] == '\0')) return true;
    text = end + 1;
  }
  return false;
}

std::uint64_t inode_at(const char* path) {
  struct stat status{};
  return ::lstat(path, &status) == 0 ? status.st_ino : 0;
}
const char* last_part(const char* path) { return std::strrchr(path, '/') + 1; }
std::uint64_t inode_above(const char* path) {
  char above[PATH_MAX];
  std::snprintf(above, sizeof above, "%s", path);
  *std::strrchr(above, '/') = '\0';
  return inode_at(above);
}

// 0 unless `fd` still is the watched file it was opened as.
std::uint64_t watched(int fd) {
  if (shared == nullptr || fd < 0 || static_cast<std::size_t>(fd) >= most_descriptors) return 0;
  const std::uint64_t inode = inode_of[fd].load();
  if (inode == 0) return 0;
  struct stat status{};
  if (::fstat(fd, &status) != 0 || status.st_ino != inode) return 0;
  return S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) ? inode : 0;
}

template <class Call>
int opening(int directory, const char* name, int flags, Call call) {
  char path[PATH_MAX];
  if (!watched(directory, name, path)) {
    const int fd = call();
    if (shared != nullptr && fd >= 0 && static_cast<std::size_t>(fd) < most_descriptors) inode_of[fd] = 0;
    return fd;
  }
  if ((flags & (O_CREAT | O_TRUNC)) == 0) {
    const int fd = call();
    struct stat status{};
    if (fd >= 0 && static_cast<std::size_t>(fd) < most_descriptors)
      inode_of[fd] = ::fstat(fd, &status) == 0 ? status.st_ino : 0;
    return fd;
  }
  const Lock lock;
  const bool is_new = inode_at(path) == 0;
  const int fd = call();
  if (fd < 0 || static_cast<std::size_t>(fd) >= most_descriptors) return fd;
  struct stat status{};
  if (::fstat(fd, &status) != 0) return fd;
  inode_of[fd] = status.st_ino;
  const std::uint64_t owner = static_cast<std::uint64_t>(status.st_uid) << 32 | status.st_gid;
  if (is_new)
    append({.kind = created,
            .inode = status.st_ino,
            .directory = inode_above(path),
            .a = status.st_mode,
            .b = owner},
           last_part(path), std::strlen(last_part(path)) + 1);
  else if ((flags & O_TRUNC) != 0)
    append({.kind = truncated, .inode = status.st_ino});
  return fd;
}

template <class Call>
ssize_t writing(int fd, const iovec* parts, int count, std::int64_t offset, Call call) {
  const std::uint64_t inode = watched(fd);
  if (inode == 0) return call();
  const Lock lock;
  const ssize_t done = call();
  if (done <= 0) return done;
  if (offset < 0) {
    struct stat status{};
    const bool at_end = (::fcntl(fd, F_GETFL) & O_APPEND) != 0 && ::fstat(fd, &status) == 0;
    offset = (at_end ? status.st_size : ::lseek(fd, 0, SEEK_CUR)) - done;
  }
  auto* text = static_cast<char*>(std::malloc(static_cast<std::size_t>(done)));
  std::size_t filled = 0;
  for (int i = 0; i < count && filled < static_cast<std::size_t>(done); ++i) {
    const std::size_t left = static_cast<std::size_t>(done) - filled;
    const std::size_t here = parts[i].iov_len < left ? parts[i].iov_len : left;
    std::memcpy(text + filled, parts[i].iov_base, here);
    filled += here;
  }
  append({.kind = written, .inode = inode, .a = static_cast<std::uint64_t>(offset), .b = filled}, text,
         filled);
  std::free(text);
  return done;
}

template <class Call>
int changing(int fd, Kind kind, std::uint64_t a, std::uint64_t b, Call call) {
  const std::uint64_t inode = watched(fd);
  if (inode == 0) return call();
  const Lock lock;
  const int done = call();
  if (done == 0) append({.kind = kind, .inode = inode, .a = a, .b = b});
  return done;
}

template <class Call>
int syncing(std::uint64_t inode, Call call) {
  const std::uint64_t number = shared->syncs.fetch_add(1) + 1;
  {
    const Lock lock;
    append({.kind = sync_begun, .inode = inode, .a = number});
  }
  const int done = call();
  if (done != 0) return done;
  const Lock lock;
  append({.kind = sync_ended, .inode = inode, .a = number});
  return 0;
}

template <class Call>
int removing(int directory, const char* name, Kind kind, Call call) {
  char path[PATH_MAX];
  if (!watched(directory, name, path)) return call();
  const Lock lock;
  const std::uint64_t inode = inode_at(path);
  const int done = call();
  if (done == 0)
    append({.kind = kind, .inode = inode, .directory = inode_above(path)}, last_part(path),
           std::strlen(last_part(path)) + 1);
  return done;
}

template <class Call>
int naming(int from_directory, const char* from, int to_directory, const char* to, Kind kind, Call call) {
  char old_path[PATH_MAX], new_path[PATH_MAX];
  const bool leaves = watched(from_directory, from, old_path);
  if (!watched(to_directory, to, new_path) || !leaves) return call();
  const Lock lock;
  const std::uint64_t inode = inode_at(old_path);
  const int done = call();
  if (done == 0)
    append({.kind = kind, .inode = inode, .directory = inode_above(old_path), .other = inode_above(new_path)},
           last_part(old_path), std::strlen(last_part(old_path)) + 1, last_part(new_path));
  return done;
}

template <class Call>
int making_directory(int directory, const char* name, Call call) {
  char path[PATH_MAX];
  if (!watched(directory, name, path)) return call();
  const Lock lock;
  const int done = call();
  struct stat status{};
  if (done == 0 && ::lstat(path, &status) == 0)
    append({.kind = made_directory,
            .inode = status.st_ino,
            .directory = inode_above(path),
            .a = status.st_mode,
            .b = static_cast<std::uint64_t>(status.st_uid) << 32 | status.st_gid},
           last_part(path), std::strlen(last_part(path)) + 1);
  return done;
}

template <class Call>
int owning(int fd, Call call) {
  const std::uint64_t inode = watched(fd);
  if (inode == 0) return call();
  const Lock lock;
  const int done = call();
  struct stat status{};
  if (done == 0 && ::fstat(fd, &status) == 0)
    append({.kind = owner_set,
            .inode = inode,
            .a = status.st_mode,
            .b = static_cast<std::uint64_t>(status.st_uid) << 32 | status.st_gid});
  return done;
}

mode_t mode_of(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

}  // namespace

#pragma clang diagnostic ignored "-Wmissing-prototypes"
extern "C" {

// For the client and the next server, which are Python: what was promised and what arrived, among the rest.
void crash_record_open(const char* path) { map_record(path); }
void crash_record_note(const char* text) {
  const Lock lock;
  append({.kind = noted}, text, std::strlen(text) + 1);
}

#define OPEN(name)                                                                        \
  int name(const char* path, int flags, ...) {                                            \
    va_list arguments;                                                                    \
    va_start(arguments, flags);                                                           \
    const mode_t mode = mode_of(flags, arguments);                                        \
    va_end(arguments);                                                                    \
    return opening(AT_FDCWD, path, flags, [&] { return REAL(name)(path, flags, mode); }); \
  }
#define OPENAT(name)                                                                                  \
  int name(int directory, const char* path, int flags, ...) {                                         \
    va_list arguments;                                                                                \
    va_start(arguments, flags);                                                                       \
    const mode_t mode = mode_of(flags, arguments);                                                    \
    va_end(arguments);                                                                                \
    return opening(directory, path, flags, [&] { return REAL(name)(directory, path, flags, mode); }); \
  }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int fd, const void* data, size_t bytes) {
  const iovec part{const_cast<void*>(data), bytes};
  return writing(fd, &part, 1, -1, [&] { return REAL(write)(fd, data, bytes); });
}
ssize_t writev(int fd, const iovec* parts, int count) {
  return writing(fd, parts, count, -1, [&] { return REAL(writev)(fd, parts, count); });
}
#define PWRITE(name)                                                                           \
  ssize_t name(int fd, const void* data, size_t bytes, off_t offset) {                         \
    const iovec part{const_cast<void*>(data), bytes};                                          \
    return writing(fd, &part, 1, offset, [&] { return REAL(name)(fd, data, bytes, offset); }); \
  }
#define PWRITEV(name)                                                                               \
  ssize_t name(int fd, const iovec* parts, int count, off_t offset) {                               \
    return writing(fd, parts, count, offset, [&] { return REAL(name)(fd, parts, count, offset); }); \
  }
PWRITE(pwrite)
PWRITE(pwrite64)
PWRITEV(pwritev)
PWRITEV(pwritev64)

#define SIZE(name, kind, a, b, parameters, arguments)                                       \
  int name parameters noexcept {                                                            \
    return changing(fd, kind, static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b), \
                    [&] { return REAL(name) arguments; });                                  \
  }
SIZE(ftruncate, truncated, length, 0, (int fd, off_t length), (fd, length))
SIZE(ftruncate64, truncated, length, 0, (int fd, off_t length), (fd, length))
#undef SIZE
int posix_fallocate(int fd, off_t offset, off_t length) {
  return changing(fd, allocated, static_cast<std::uint64_t>(offset), static_cast<std::uint64_t>(length),
                  [&] { return REAL(posix_fallocate)(fd, offset, length); });
}
int posix_fallocate64(int fd, off_t offset, off_t length) {
  return changing(fd, allocated, static_cast<std::uint64_t>(offset), static_cast<std::uint64_t>(length),
                  [&] { return REAL(posix_fallocate64)(fd, offset, length); });
}

int fsync(int fd) {
  const std::uint64_t inode = watched(fd);
  return inode == 0 ? REAL(fsync)(fd) : syncing(inode, [&] { return REAL(fsync)(fd); });
}
int fdatasync(int fd) {
  const std::uint64_t inode = watched(fd);
  return inode == 0 ? REAL(fdatasync)(fd) : syncing(inode, [&] { return REAL(fdatasync)(fd); });
}

int rename(const char* from, const char* to) noexcept {
  return naming(AT_FDCWD, from, AT_FDCWD, to, renamed, [&] { return REAL(rename)(from, to); });
}
int renameat(int a, const char* from, int b, const char* to) noexcept {
  return naming(a, from, b, to, renamed, [&] { return REAL(renameat)(a, from, b, to); });
}
int link(const char* from, const char* to) noexcept {
  return naming(AT_FDCWD, from, AT_FDCWD, to, linked, [&] { return REAL(link)(from, to); });
}
int unlink(const char* path) noexcept {
  return removing(AT_FDCWD, path, unlinked, [&] { return REAL(unlink)(path); });
}
int unlinkat(int directory, const char* path, int flags) noexcept {
  return removing(directory, path, (flags & AT_REMOVEDIR) != 0 ? removed_directory : unlinked,
                  [&] { return REAL(unlinkat)(directory, path, flags); });
}
int rmdir(const char* path) noexcept {
  return removing(AT_FDCWD, path, removed_directory, [&] { return REAL(rmdir)(path); });
}
int mkdir(const char* path, mode_t mode) noexcept {
  return making_directory(AT_FDCWD, path, [&] { return REAL(mkdir)(path, mode); });
}
int futimens(int fd, const timespec times[2]) noexcept {
  return changing(fd, time_set, static_cast<std::uint64_t>(times[1].tv_sec),
                  static_cast<std::uint64_t>(times[1].tv_nsec), [&] { return REAL(futimens)(fd, times); });
}
int utimensat(int directory, const char* name, const timespec times[2], int flags) noexcept {
  char path[PATH_MAX];
  if (!watched(directory, name, path)) return REAL(utimensat)(directory, name, times, flags);
  const Lock lock;
  const int done = REAL(utimensat)(directory, name, times, flags);
  if (done == 0)
    append({.kind = time_set,
            .inode = inode_at(path),
            .a = static_cast<std::uint64_t>(times[1].tv_sec),
            .b = static_cast<std::uint64_t>(times[1].tv_nsec)});
  return done;
}
int fchmod(int fd, mode_t mode) noexcept {
  return owning(fd, [&] { return REAL(fchmod)(fd, mode); });
}
int fchown(int fd, uid_t uid, gid_t gid) noexcept {
  return owning(fd, [&] { return REAL(fchown)(fd, uid, gid); });
}

}  // extern "C"
