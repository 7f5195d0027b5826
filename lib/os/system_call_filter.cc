#include "lib/os/system_call_filter.h"

#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <initializer_list>

#include "lib/os/fd.h"

#if defined(__SANITIZE_ADDRESS__)
#define POSTRIDER_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POSTRIDER_ADDRESS_SANITIZER 1
#endif
#endif

#ifdef POSTRIDER_ADDRESS_SANITIZER
namespace {
int leak_check_off = 0;
}
// Looking for leaks at exit means ptrace and /proc, both of which are behind the wall.
extern "C" int __lsan_is_turned_off();
extern "C" int __lsan_is_turned_off() { return leak_check_off; }
#endif

namespace postrider::os {
namespace {

constexpr int kinds = 7;
constexpr std::uint32_t deny = SCMP_ACT_ERRNO(EPERM);
// Stands for the process's own id until it is known: above every id that Linux gives (2^22).
constexpr std::uint32_t any_pid = 0x7fffff01;

// The filter being put together; the first refused rule is remembered, later ones are skipped.
class Filter {
 public:
  Filter() : context_(seccomp_init(deny)) {}
  ~Filter() {
    if (context_ != nullptr) seccomp_release(context_);
  }
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;

  void allow(std::initializer_list<int> calls) {
    for (const int call : calls) add(SCMP_ACT_ALLOW, call, {});
  }
  // Allowed when every comparison holds; rules for one call are alternatives.
  void allow_if(int call, std::initializer_list<scmp_arg_cmp> comparisons) {
    add(SCMP_ACT_ALLOW, call, comparisons);
  }
  void kill(std::initializer_list<int> calls) {
    for (const int call : calls) add(SCMP_ACT_KILL_PROCESS, call, {});
  }
  void refuse(int call, int os_error) { add(SCMP_ACT_ERRNO(static_cast<std::uint32_t>(os_error)), call, {}); }

  // The filter as the kernel takes it.
  Result<std::vector<sock_filter>> compile() {
    if (context_ == nullptr) return fail(Trouble::temporary, "seccomp: no filter");
    // A tree of comparisons instead of a list: what is looked up at every system call.
    if (status_ == 0) status_ = seccomp_attr_set(context_, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    const Fd file(::memfd_create("seccomp", MFD_CLOEXEC));
    if (!file) return fail_errno("seccomp: memfd");
    if (status_ == 0) status_ = seccomp_export_bpf(context_, file.get());
    if (status_ != 0)
      return fail(Trouble::temporary, Error::from_errno(-status_, "seccomp").text(), -status_);
    struct stat status{};
    if (::fstat(file.get(), &status) < 0) return fail_errno("seccomp: memfd");
    std::vector<sock_filter> program(static_cast<std::size_t>(status.st_size) / sizeof(sock_filter));
    const std::size_t bytes = program.size() * sizeof(sock_filter);
    if (::pread(file.get(), program.data(), bytes, 0) != static_cast<ssize_t>(bytes))
      return fail(Trouble::temporary, "seccomp: the filter is cut off");
    return program;
  }

 private:
  void add(std::uint32_t action, int call, std::initializer_list<scmp_arg_cmp> comparisons) {
    if (context_ == nullptr || status_ != 0) return;
    status_ = seccomp_rule_add_array(context_, action, call, static_cast<unsigned>(comparisons.size()),
                                     comparisons.begin());
  }
  scmp_filter_ctx context_;
  int status_ = 0;
};

scmp_arg_cmp equals(unsigned argument, std::uint64_t value) {
  return scmp_arg_cmp{argument, SCMP_CMP_EQ, value, 0};
}
scmp_arg_cmp has_bits(unsigned argument, std::uint64_t bits) {
  return scmp_arg_cmp{argument, SCMP_CMP_MASKED_EQ, bits, bits};
}
scmp_arg_cmp lacks_bits(unsigned argument, std::uint64_t bits) {
  return scmp_arg_cmp{argument, SCMP_CMP_MASKED_EQ, bits, 0};
}

void allow_descriptors(Filter& filter) {
  filter.allow({SCMP_SYS(read),    SCMP_SYS(readv),     SCMP_SYS(pread64),     SCMP_SYS(preadv),
                SCMP_SYS(preadv2), SCMP_SYS(write),     SCMP_SYS(writev),      SCMP_SYS(pwrite64),
                SCMP_SYS(pwritev), SCMP_SYS(pwritev2),  SCMP_SYS(close),       SCMP_SYS(close_range),
                SCMP_SYS(lseek),   SCMP_SYS(_llseek),   SCMP_SYS(fstat),       SCMP_SYS(fstat64),
                SCMP_SYS(dup),     SCMP_SYS(dup2),      SCMP_SYS(dup3),        SCMP_SYS(fcntl),
                SCMP_SYS(fcntl64), SCMP_SYS(pipe),      SCMP_SYS(pipe2),       SCMP_SYS(sendfile),
                SCMP_SYS(splice),  SCMP_SYS(ftruncate), SCMP_SYS(memfd_create)});
  filter.allow({SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(epoll_create),
                SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
                SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create),
                SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_gettime), SCMP_SYS(signalfd4)});
  filter.allow({SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recvfrom),
                SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg), SCMP_SYS(shutdown), SCMP_SYS(getsockopt),
                SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername)});
  filter.allow({SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(mincore),
                SCMP_SYS(msync), SCMP_SYS(mlock), SCMP_SYS(mlock2), SCMP_SYS(munlock), SCMP_SYS(membarrier)});
  filter.allow({SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time),
                SCMP_SYS(times), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(getrandom)});
  filter.allow({SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
                SCMP_SYS(rt_sigpending), SCMP_SYS(rt_sigsuspend), SCMP_SYS(rt_sigtimedwait),
                SCMP_SYS(sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(exit),
                SCMP_SYS(exit_group)});
  filter.allow({SCMP_SYS(getpid),
                SCMP_SYS(gettid),
                SCMP_SYS(getppid),
                SCMP_SYS(getpgrp),
                SCMP_SYS(getuid),
                SCMP_SYS(geteuid),
                SCMP_SYS(getgid),
                SCMP_SYS(getegid),
                SCMP_SYS(getresuid),
                SCMP_SYS(getresgid),
                SCMP_SYS(getgroups),
                SCMP_SYS(uname),
                SCMP_SYS(sysinfo),
                SCMP_SYS(getrusage),
                SCMP_SYS(getrlimit),
                SCMP_SYS(ugetrlimit),
                SCMP_SYS(getcpu),
                SCMP_SYS(sched_yield),
                SCMP_SYS(sched_getaffinity),
                SCMP_SYS(futex),
                SCMP_SYS(futex_time64),
                SCMP_SYS(set_robust_list),
                SCMP_SYS(get_robust_list),
                SCMP_SYS(rseq)});
  // fstat(3) of glibc 2.33 and later is newfstatat(fd, "", …, AT_EMPTY_PATH).
  filter.allow_if(SCMP_SYS(newfstatat), {has_bits(3, AT_EMPTY_PATH)});
  // Reading limits, not setting them, and only one's own.
  filter.allow_if(SCMP_SYS(prlimit64), {equals(0, 0), equals(2, 0)});
  filter.allow_if(SCMP_SYS(socketpair), {equals(0, AF_UNIX)});
  for (const std::uint64_t request : {FIONREAD, FIONBIO, TCGETS}) {
    filter.allow_if(SCMP_SYS(ioctl), {equals(1, request)});
  }
  filter.allow_if(SCMP_SYS(prctl), {equals(0, PR_SET_NAME)});
  filter.allow_if(SCMP_SYS(prctl), {equals(0, PR_GET_NAME)});
#ifdef PR_SET_VMA
  filter.allow_if(SCMP_SYS(prctl), {equals(0, PR_SET_VMA)});
#endif
  filter.allow_if(SCMP_SYS(kill), {equals(0, any_pid)});
  filter.allow_if(SCMP_SYS(tgkill), {equals(0, any_pid)});
}

void allow_files(Filter& filter) {
  filter.allow({SCMP_SYS(open),      SCMP_SYS(openat),     SCMP_SYS(openat2),   SCMP_SYS(creat),
                SCMP_SYS(stat),      SCMP_SYS(lstat),      SCMP_SYS(statx),     SCMP_SYS(newfstatat),
                SCMP_SYS(fstatat64), SCMP_SYS(access),     SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
                SCMP_SYS(rename),    SCMP_SYS(renameat),   SCMP_SYS(renameat2), SCMP_SYS(link),
                SCMP_SYS(linkat),    SCMP_SYS(symlink),    SCMP_SYS(symlinkat), SCMP_SYS(unlink),
                SCMP_SYS(unlinkat),  SCMP_SYS(mkdir),      SCMP_SYS(mkdirat),   SCMP_SYS(rmdir),
                SCMP_SYS(readlink),  SCMP_SYS(readlinkat), SCMP_SYS(getdents),  SCMP_SYS(getdents64),
                SCMP_SYS(getcwd),    SCMP_SYS(chdir),      SCMP_SYS(fchdir),    SCMP_SYS(umask)});
  filter.allow({SCMP_SYS(chmod),
                SCMP_SYS(fchmod),
                SCMP_SYS(fchmodat),
                SCMP_SYS(chown),
                SCMP_SYS(fchown),
                SCMP_SYS(lchown),
                SCMP_SYS(fchownat),
                SCMP_SYS(truncate),
                SCMP_SYS(fallocate),
                SCMP_SYS(fsync),
                SCMP_SYS(fdatasync),
                SCMP_SYS(sync_file_range),
                SCMP_SYS(utime),
                SCMP_SYS(utimes),
                SCMP_SYS(utimensat),
                SCMP_SYS(flock),
                SCMP_SYS(statfs),
                SCMP_SYS(fstatfs),
                SCMP_SYS(fadvise64),
                SCMP_SYS(readahead),
                SCMP_SYS(copy_file_range),
                SCMP_SYS(inotify_init1),
                SCMP_SYS(inotify_add_watch),
                SCMP_SYS(inotify_rm_watch)});
}

// Without files nothing can be loaded any more, so no new memory need ever be executable.
void allow_memory(Filter& filter, bool executable) {
  if (executable) {
    filter.allow({SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(mprotect)});
    return;
  }
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(mprotect)}) {
    filter.allow_if(call, {lacks_bits(2, PROT_EXEC)});
  }
}

void allow_sockets(Filter& filter, const bool (&may)[kinds]) {
  if (may[static_cast<int>(Allow::accept)]) filter.allow({SCMP_SYS(accept), SCMP_SYS(accept4)});
  const bool to_unix = may[static_cast<int>(Allow::connect_unix)];
  const bool listens = may[static_cast<int>(Allow::listen_unix)];
  const bool to_inet = may[static_cast<int>(Allow::connect_inet)];
  if (to_unix || listens) filter.allow_if(SCMP_SYS(socket), {equals(0, AF_UNIX)});
  if (listens || to_inet) filter.allow({SCMP_SYS(bind)});
  if (listens) filter.allow({SCMP_SYS(listen)});
  if (to_inet) {
    filter.allow_if(SCMP_SYS(socket), {equals(0, AF_INET)});
    filter.allow_if(SCMP_SYS(socket), {equals(0, AF_INET6)});
  }
  if (to_unix || to_inet) filter.allow({SCMP_SYS(connect)});
  // A service of its own beside the one master opened: a socket file is a file.
  const bool to_serve = may[static_cast<int>(Allow::files)] && may[static_cast<int>(Allow::accept)];
  if (to_unix && to_serve) filter.allow({SCMP_SYS(bind), SCMP_SYS(listen)});
}

void kill_what_only_an_attacker_asks(Filter& filter) {
  filter.kill({SCMP_SYS(execve),
               SCMP_SYS(execveat),
               SCMP_SYS(ptrace),
               SCMP_SYS(process_vm_readv),
               SCMP_SYS(process_vm_writev),
               SCMP_SYS(mount),
               SCMP_SYS(umount2),
               SCMP_SYS(pivot_root),
               SCMP_SYS(init_module),
               SCMP_SYS(finit_module),
               SCMP_SYS(delete_module),
               SCMP_SYS(kexec_load),
               SCMP_SYS(kexec_file_load),
               SCMP_SYS(add_key),
               SCMP_SYS(request_key),
               SCMP_SYS(keyctl),
               SCMP_SYS(bpf),
               SCMP_SYS(personality),
               SCMP_SYS(perf_event_open),
               SCMP_SYS(userfaultfd),
               SCMP_SYS(io_uring_setup)});
}

}  // namespace

Result<SystemCallFilter> SystemCallFilter::make(const std::vector<Allow>& allowed) {
  bool may[kinds] = {};
  for (const Allow kind : allowed) may[static_cast<int>(kind)] = true;
  const bool files = may[static_cast<int>(Allow::files)];

  Filter filter;
  kill_what_only_an_attacker_asks(filter);
  allow_descriptors(filter);
  allow_memory(filter, files);
  allow_sockets(filter, may);
  if (files) allow_files(filter);
  // clone3 takes its flags in memory, where no filter can read them; on ENOSYS glibc uses clone.
  filter.refuse(SCMP_SYS(clone3), ENOSYS);
  if (may[static_cast<int>(Allow::threads)]) {
    filter.allow_if(SCMP_SYS(clone), {has_bits(0, CLONE_THREAD)});
    filter.allow({SCMP_SYS(set_tid_address), SCMP_SYS(sched_setaffinity), SCMP_SYS(sched_getparam),
                  SCMP_SYS(sched_getscheduler)});
  }
  auto program = filter.compile();
  if (!program) return std::unexpected(program.error());

  SystemCallFilter made;
  made.program_ = std::move(*program);
  for (std::size_t i = 0; i < made.program_.size(); ++i)
    if (BPF_CLASS(made.program_[i].code) == BPF_JMP && made.program_[i].k == any_pid)
      made.own_pid_.push_back(i);
  if (made.own_pid_.empty())
    return fail(Trouble::temporary, "seccomp: signals to oneself are not in the filter");
  return made;
}

Result<> SystemCallFilter::install() const {
  std::vector<sock_filter> program = program_;
  for (const std::size_t place : own_pid_) program[place].k = static_cast<std::uint32_t>(::getpid());
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return fail_errno("no_new_privs");
  const long failed = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);
  if (failed < 0) return fail(Trouble::temporary, Error::from_errno(errno, "seccomp").text(), errno);
  // The id of the thread that could not follow.
  if (failed > 0) return fail(Trouble::temporary, "seccomp: a thread has a filter of its own");
#ifdef POSTRIDER_ADDRESS_SANITIZER
  leak_check_off = 1;
#endif
  return {};
}

}  // namespace postrider::os
