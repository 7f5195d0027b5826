// A library to preload: makes the k-th system call of a kind fail in processes of one program. Driven by
// tests/crash/fail.py through a control file of shared memory, which FAILING_CALLS names.
//
// Every call of every program is counted, whether something is armed or not: a clean run tells how many
// there are. A call that fails has not been made, but for close(2), which the kernel never undoes. The
// file is mapped before main(), so chroots and system call filters do not matter; programs that a process
// starts are preloaded too, whatever environment it gives them. Calls that libc makes for itself are not
// seen.

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

// Reads and writes of files, sockets and pipes fail in different ways.
enum Call : unsigned {
  open_call,
  create_call,
  read_file,
  read_socket,
  read_pipe,
  write_file,
  write_socket,
  write_pipe,
  fsync_call,
  fdatasync_call,
  rename_call,
  link_call,
  unlink_call,
  mkdir_call,
  truncate_call,
  allocate_call,
  stat_call,
  change_call,
  list_call,
  entry_call,
  lock_call,
  socket_call,
  connect_call,
  accept_call,
  dup_call,
  memfd_call,
  watch_call,
  wait_call,
  fork_call,
  thread_call,
  map_call,
  close_call,
  calls
};
constexpr const char* names[calls] = {
    "open",  "create",    "read",   "receive", "take",   "write",  "send",     "put",
    "fsync", "fdatasync", "rename", "link",    "unlink", "mkdir",  "truncate", "allocate",
    "stat",  "change",    "list",   "entry",   "lock",   "socket", "connect",  "accept",
    "dup",   "memfd",     "watch",  "wait",    "fork",   "thread", "map",      "close"};

constexpr unsigned most_calls = 64;
constexpr unsigned every_change = 63;  // as `call` of the control file: whatever writes to a disk

bool changes(Call call) {
  switch (call) {
    case create_call:
    case write_file:
    case fsync_call:
    case fdatasync_call:
    case rename_call:
    case link_call:
    case unlink_call:
    case mkdir_call:
    case truncate_call:
    case allocate_call:
    case change_call: return true;
    default: return false;
  }
}
constexpr unsigned most_programs = 40;

// As fail.py reads and writes it.
struct Control {
  uint32_t armed;
  uint32_t call;
  int32_t error;
  uint32_t reserved;
  uint64_t from, until;  // the calls with these numbers fail
  uint64_t struck;       // how many did
  char program[32];      // "*": all
  char match[32];        // not empty: only reads of files whose path has this in it
  char where[152];       // the path of the last call that failed, if it had one
  char names[most_calls][32];
  struct {
    char name[32];
    uint64_t counts[most_calls];
  } programs[most_programs];
};

Control* control = nullptr;
uint64_t* counts = nullptr;
const char* own_name = "";
char preload[512], control_path[512];

template <class F>
F* next(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

// Looked up when first used: others' constructors may call before ours.
#define REAL(name) static const auto real = next<decltype(name)>(#name)

bool matches[1024];  // by descriptor: opened under a path that `match` is part of

void note_match(int fd, const char* path) {
  if (counts == nullptr || fd < 0 || fd >= 1024) return;
  matches[fd] = control->match[0] != '\0' && strstr(path, control->match) != nullptr;
}
bool is_match(int fd) {
  return control == nullptr || control->match[0] == '\0' || (fd < 1024 && matches[fd]);
}

bool strikes(Call call, const char* where = "") {
  if (counts == nullptr || call == calls) return false;
  const uint64_t number = __atomic_add_fetch(&counts[call], 1, __ATOMIC_RELAXED);
  if (__atomic_load_n(&control->armed, __ATOMIC_ACQUIRE) == 0) return false;
  const bool all = control->call == every_change;
  if (all ? !changes(call) : control->call != call || number < control->from || number >= control->until)
    return false;
  if (control->program[0] != '*' && strcmp(control->program, own_name) != 0) return false;
  strncpy(control->where, where, sizeof control->where - 1);
  __atomic_add_fetch(&control->struck, 1, __ATOMIC_RELEASE);
  errno = control->error;
  return true;
}

// `for_files` for regular files, the next kind for sockets, the one after for pipes; event counters never
// fail.
Call by_kind(int fd, Call for_files) {
  const int saved = errno;
  struct stat status{};
  REAL(fstat);
  const bool known = real(fd, &status) == 0;
  errno = saved;
  if (!known) return calls;
  const unsigned step = S_ISREG(status.st_mode)    ? 0
                        : S_ISSOCK(status.st_mode) ? 1
                        : S_ISFIFO(status.st_mode) ? 2
                                                   : 3;
  return step == 3 ? calls : static_cast<Call>(for_files + step);
}
Call reading(int fd) { return is_match(fd) ? by_kind(fd, read_file) : calls; }
Call writing(int fd) { return by_kind(fd, write_file); }
Call opening(int flags) { return (flags & O_CREAT) != 0 ? create_call : open_call; }

[[gnu::constructor]] void begin(int argc, char** argv, char**) {
  const char* path = getenv("FAILING_CALLS");
  const char* library = getenv("LD_PRELOAD");
  if (path == nullptr || library == nullptr) return;
  strncpy(control_path, path, sizeof control_path - 1);
  strncpy(preload, library, sizeof preload - 1);
  REAL(open);
  const int fd = real(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void* shared = mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  static const auto real_close = next<decltype(close)>("close");
  real_close(fd);
  if (shared == MAP_FAILED) return;
  static char self[64];
  char program[256] = {};
  const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  const char* slash = length > 0 ? strrchr(program, '/') : nullptr;
  strncpy(self, slash != nullptr ? slash + 1 : "unknown", 20);
  if (argc == 2 && strcmp(argv[1], "--worker") == 0) strcat(self, "-worker");
  own_name = self;
  control = static_cast<Control*>(shared);
  for (unsigned i = 0; i < calls; ++i) strcpy(control->names[i], names[i]);
  for (auto& one : control->programs) {
    // Two that begin at once may take two places; the reader adds them up.
    if (one.name[0] != '\0' && strcmp(one.name, self) != 0) continue;
    if (one.name[0] == '\0') strcpy(one.name, self);
    if (strcmp(one.name, self) != 0) continue;
    counts = one.counts;
    break;
  }
}

}  // namespace

// NOLINTBEGIN
#define FAIL_IF(call, ...) \
  if (strikes(call __VA_OPT__(, ) __VA_ARGS__)) return -1

extern "C" {

#define OPEN(name)                                                                         \
  int name(const char* path, int flags, ...) {                                             \
    REAL(name);                                                                            \
    va_list more;                                                                          \
    va_start(more, flags);                                                                 \
    const mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0; \
    va_end(more);                                                                          \
    FAIL_IF(opening(flags), path);                                                         \
    const int fd = real(path, flags, mode);                                                \
    note_match(fd, path);                                                                  \
    return fd;                                                                             \
  }
OPEN(open)
OPEN(open64)
#define OPENAT(name)                                                                       \
  int name(int at, const char* path, int flags, ...) {                                     \
    REAL(name);                                                                            \
    va_list more;                                                                          \
    va_start(more, flags);                                                                 \
    const mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0; \
    va_end(more);                                                                          \
    FAIL_IF(opening(flags), path);                                                         \
    return real(at, path, flags, mode);                                                    \
  }
OPENAT(openat)
OPENAT(openat64)
int __open_2(const char* path, int flags) {
  REAL(open);
  FAIL_IF(opening(flags), path);
  return real(path, flags);
}
int __open64_2(const char* path, int flags) { return __open_2(path, flags); }

#define PASS(result, name, parameters, arguments, call, ...) \
  result name parameters {                                   \
    REAL(name);                                              \
    FAIL_IF(call __VA_OPT__(, ) __VA_ARGS__);                \
    return real arguments;                                   \
  }

PASS(ssize_t, read, (int fd, void* into, size_t n), (fd, into, n), reading(fd))
PASS(ssize_t, readv, (int fd, const iovec* v, int n), (fd, v, n), reading(fd))
PASS(ssize_t, pread, (int fd, void* into, size_t n, off_t at), (fd, into, n, at), reading(fd))
PASS(ssize_t, pread64, (int fd, void* into, size_t n, off64_t at), (fd, into, n, at), reading(fd))
PASS(ssize_t, preadv, (int fd, const iovec* v, int n, off_t at), (fd, v, n, at), reading(fd))
PASS(ssize_t, preadv64, (int fd, const iovec* v, int n, off64_t at), (fd, v, n, at), reading(fd))
PASS(ssize_t, recv, (int fd, void* into, size_t n, int f), (fd, into, n, f), read_socket)
PASS(ssize_t, recvmsg, (int fd, msghdr* m, int f), (fd, m, f), read_socket)
ssize_t __read_chk(int fd, void* into, size_t n, size_t) { return read(fd, into, n); }
ssize_t __pread_chk(int fd, void* into, size_t n, off_t at, size_t) { return pread(fd, into, n, at); }
ssize_t __pread64_chk(int fd, void* into, size_t n, off64_t at, size_t) { return pread64(fd, into, n, at); }
ssize_t __recv_chk(int fd, void* into, size_t n, size_t, int f) { return recv(fd, into, n, f); }
PASS(ssize_t, write, (int fd, const void* from, size_t n), (fd, from, n), writing(fd))
PASS(ssize_t, writev, (int fd, const iovec* v, int n), (fd, v, n), writing(fd))
PASS(ssize_t, pwrite, (int fd, const void* from, size_t n, off_t at), (fd, from, n, at), writing(fd))
PASS(ssize_t, pwrite64, (int fd, const void* from, size_t n, off64_t at), (fd, from, n, at), writing(fd))
PASS(ssize_t, pwritev, (int fd, const iovec* v, int n, off_t at), (fd, v, n, at), writing(fd))
PASS(ssize_t, pwritev64, (int fd, const iovec* v, int n, off64_t at), (fd, v, n, at), writing(fd))
PASS(ssize_t, send, (int fd, const void* from, size_t n, int f), (fd, from, n, f), write_socket)
PASS(ssize_t, sendmsg, (int fd, const msghdr* m, int f), (fd, m, f), write_socket)

PASS(int, fsync, (int fd), (fd), fsync_call)
PASS(int, fdatasync, (int fd), (fd), fdatasync_call)
PASS(int, rename, (const char* from, const char* to), (from, to), rename_call, to)
PASS(int, renameat, (int a, const char* from, int b, const char* to), (a, from, b, to), rename_call, to)
PASS(int, link, (const char* from, const char* to), (from, to), link_call, to)
PASS(int, linkat, (int a, const char* from, int b, const char* to, int f), (a, from, b, to, f), link_call, to)
PASS(int, unlink, (const char* path), (path), unlink_call, path)
PASS(int, unlinkat, (int a, const char* path, int f), (a, path, f), unlink_call, path)
PASS(int, rmdir, (const char* path), (path), unlink_call, path)
PASS(int, mkdir, (const char* path, mode_t m), (path, m), mkdir_call, path)
PASS(int, ftruncate, (int fd, off_t n), (fd, n), truncate_call)
PASS(int, ftruncate64, (int fd, off64_t n), (fd, n), truncate_call)
PASS(int, fallocate, (int fd, int m, off_t a, off_t n), (fd, m, a, n), allocate_call)
PASS(int, fallocate64, (int fd, int m, off64_t a, off64_t n), (fd, m, a, n), allocate_call)
int posix_fallocate(int fd, off_t a, off_t n) {
  REAL(posix_fallocate);
  return strikes(allocate_call) ? errno : real(fd, a, n);
}
int posix_fallocate64(int fd, off64_t a, off64_t n) {
  REAL(posix_fallocate64);
  return strikes(allocate_call) ? errno : real(fd, a, n);
}
PASS(int, stat, (const char* path, struct stat* s), (path, s), stat_call, path)
PASS(int, stat64, (const char* path, struct stat64* s), (path, s), stat_call, path)
PASS(int, lstat, (const char* path, struct stat* s), (path, s), stat_call, path)
PASS(int, lstat64, (const char* path, struct stat64* s), (path, s), stat_call, path)
PASS(int, fstat, (int fd, struct stat* s), (fd, s), stat_call)
PASS(int, fstat64, (int fd, struct stat64* s), (fd, s), stat_call)
PASS(int, fstatat, (int a, const char* path, struct stat* s, int f), (a, path, s, f), stat_call, path)
PASS(int, fstatat64, (int a, const char* path, struct stat64* s, int f), (a, path, s, f), stat_call, path)
PASS(int, fchmod, (int fd, mode_t m), (fd, m), change_call)
PASS(int, fchown, (int fd, uid_t u, gid_t g), (fd, u, g), change_call)
PASS(int, futimens, (int fd, const timespec t[2]), (fd, t), change_call)
PASS(int, utimensat, (int a, const char* path, const timespec t[2], int f), (a, path, t, f), change_call,
     path)
DIR* opendir(const char* path) {
  REAL(opendir);
  return strikes(list_call, path) ? nullptr : real(path);
}
DIR* fdopendir(int fd) {
  REAL(fdopendir);
  return strikes(list_call) ? nullptr : real(fd);
}
dirent* readdir(DIR* directory) {
  REAL(readdir);
  return strikes(entry_call) ? nullptr : real(directory);
}
PASS(int, flock, (int fd, int how), (fd, how), lock_call)

#define FCNTL(name)                                                                                  \
  int name(int fd, int what, ...) {                                                                  \
    REAL(name);                                                                                      \
    va_list more;                                                                                    \
    va_start(more, what);                                                                            \
    void* argument = va_arg(more, void*);                                                            \
    va_end(more);                                                                                    \
    if (what == F_DUPFD || what == F_DUPFD_CLOEXEC) {                                                \
      FAIL_IF(dup_call);                                                                             \
    } else if (what == F_SETLK || what == F_SETLKW || what == F_OFD_SETLK || what == F_OFD_SETLKW) { \
      FAIL_IF(lock_call);                                                                            \
    }                                                                                                \
    return real(fd, what, argument);                                                                 \
  }
FCNTL(fcntl)
FCNTL(fcntl64)

PASS(int, dup, (int fd), (fd), dup_call)
PASS(int, socket, (int d, int t, int p), (d, t, p), socket_call)
PASS(int, socketpair, (int d, int t, int p, int v[2]), (d, t, p, v), socket_call)
PASS(int, pipe, (int v[2]), (v), socket_call)
PASS(int, pipe2, (int v[2], int f), (v, f), socket_call)
PASS(int, connect, (int fd, const sockaddr* a, socklen_t n), (fd, a, n), connect_call)
PASS(int, accept, (int fd, sockaddr* a, socklen_t* n), (fd, a, n), accept_call)
PASS(int, accept4, (int fd, sockaddr* a, socklen_t* n, int f), (fd, a, n, f), accept_call)
PASS(int, eventfd, (unsigned n, int f), (n, f), socket_call)
PASS(int, epoll_create1, (int f), (f), socket_call)
PASS(int, timerfd_create, (int clock, int f), (clock, f), socket_call)
PASS(int, memfd_create, (const char* name, unsigned f), (name, f), memfd_call)
PASS(int, epoll_ctl, (int e, int what, int fd, epoll_event* v), (e, what, fd, v), watch_call)
PASS(int, epoll_wait, (int e, epoll_event* v, int n, int t), (e, v, n, t), wait_call)
PASS(int, poll, (pollfd * v, nfds_t n, int t), (v, n, t), wait_call)

pid_t fork() {
  REAL(fork);
  FAIL_IF(fork_call);
  return real();
}
// What returns twice cannot be wrapped; a fork serves as well.
pid_t vfork() { return fork(); }
int pthread_create(pthread_t* thread, const pthread_attr_t* a, void* (*run)(void*), void* argument) {
  REAL(pthread_create);
  return strikes(thread_call) ? errno : real(thread, a, run, argument);
}
void* mmap(void* at, size_t n, int p, int f, int fd, off_t from) {
  REAL(mmap);
  if (fd >= 0 && strikes(map_call)) return MAP_FAILED;
  return real(at, n, p, f, fd, from);
}
int close(int fd) {
  REAL(close);
  const bool fails = strikes(close_call);
  const int error = errno;
  const int done = real(fd);
  if (!fails) return done;
  errno = error;
  return -1;
}

// Programs are started with environments of their own; ours goes along. No allocation: this may be the
// child of a process with threads.
int execve(const char* path, char* const argv[], char* const envp[]) {
  REAL(execve);
  unsigned n = 0;
  while (envp != nullptr && envp[n] != nullptr) ++n;
  if (counts == nullptr || n > 500) return real(path, argv, envp);
  char library[sizeof preload + 16] = "LD_PRELOAD=", file[sizeof control_path + 16] = "FAILING_CALLS=";
  strcat(library, preload);
  strcat(file, control_path);
  char* all[512];
  unsigned kept = 0;
  for (unsigned i = 0; i < n; ++i)
    if (strncmp(envp[i], "LD_PRELOAD=", 11) != 0 && strncmp(envp[i], "FAILING_CALLS=", 14) != 0)
      all[kept++] = envp[i];
  all[kept++] = library;
  all[kept++] = file;
  all[kept] = nullptr;
  return real(path, argv, all);
}

}  // extern "C"
// NOLINTEND
