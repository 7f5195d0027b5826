#include "lib/os/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include <fmt/core.h>

#include "lib/os/socket.h"

namespace postrider::os {
namespace {

// What the child reports when it could not become the program.
struct Failure {
  int step = 0;
  int os_error = 0;
};
constexpr const char* step_names[] = {"descriptors", "new session", "setgroups", "setgid",
                                      "setuid",      "chdir",       "exec"};
enum Step : int { descriptors, new_session, set_groups, set_gid, set_uid, change_directory, execute };

// Everything the child needs, made by the parent: after vfork the child borrows the parent's memory,
// so it may neither allocate nor call what changes libc's state. Hence also the bare system calls.
struct Plan {
  const Spawn* what = nullptr;
  std::vector<char*> arguments;
  std::vector<char*> environment;
  std::vector<int> moved;  // scratch: where each of our descriptors went
  std::vector<std::pair<int, int>> descriptors;
  int above = 3;  // greater than every number in the child
  int report = -1;
  pid_t parent = 0;
  bool change_identity = false;
};

// Does not return; the parent sleeps meanwhile and its memory is shared.
[[noreturn]] void stop(int report, Step step) {
  const Failure failure{step, errno};
  ssize_t ignored = ::write(report, &failure, sizeof failure);
  (void)ignored;
  ::_exit(127);
}

// close_range(2) knows CLOSE_RANGE_CLOEXEC since Linux 5.11. Ours are close-on-exec from birth; this
// is for what a library left open.
void close_on_exec_from(unsigned first) {
#ifdef SYS_close_range
  constexpr unsigned cloexec = 1U << 2;
  if (::syscall(SYS_close_range, first, ~0U, cloexec) == 0) return;
#endif
  rlimit limit{};
  rlim_t end = 65536;
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) end = std::min(end, limit.rlim_cur);
  for (rlim_t fd = first; fd < end; ++fd) ::fcntl(static_cast<int>(fd), F_SETFD, FD_CLOEXEC);
}

[[noreturn, gnu::noinline]] void run_child(Plan& plan) {
  const Spawn& what = *plan.what;
  // Ignored signals and handlers of ours must not reach the program, nor run here. The kernel's own
  // structure, all zero, is SIG_DFL; libc's sigaction would leave out the two signals it keeps.
  const unsigned long defaults[8] = {};
  for (int number = 1; number < NSIG; ++number) {
    ::syscall(SYS_rt_sigaction, number, defaults, nullptr, (NSIG - 1) / 8);
  }

  const int report = ::fcntl(plan.report, F_DUPFD_CLOEXEC, plan.above);
  if (report < 0) stop(plan.report, descriptors);
  for (std::size_t i = 0; i < plan.descriptors.size(); ++i) {
    plan.moved[i] = ::fcntl(plan.descriptors[i].first, F_DUPFD_CLOEXEC, plan.above);
    if (plan.moved[i] < 0) stop(report, descriptors);
  }
  close_on_exec_from(3);
  for (std::size_t i = 0; i < plan.descriptors.size(); ++i) {
    if (::dup2(plan.moved[i], plan.descriptors[i].second) < 0) stop(report, descriptors);
  }

  if (what.new_session && ::setsid() < 0) stop(report, new_session);
  if (plan.change_identity) {
    if (::syscall(SYS_setgroups, what.groups.size(), what.groups.data()) < 0) stop(report, set_groups);
    const gid_t gid = *what.gid;
    if (::syscall(SYS_setresgid, gid, gid, gid) < 0) stop(report, set_gid);
    const uid_t uid = *what.uid;
    if (::syscall(SYS_setresuid, uid, uid, uid) < 0) stop(report, set_uid);
  }
  if (what.die_with_parent) {  // after the change of identity, which would clear it
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (::getppid() != plan.parent) ::_exit(127);
  }
  if (!what.directory.empty() && ::chdir(what.directory.c_str()) < 0) stop(report, change_directory);
  sigset_t nothing;
  ::sigemptyset(&nothing);
  ::sigprocmask(SIG_SETMASK, &nothing, nullptr);
  ::execve(what.program.c_str(), plan.arguments.data(), plan.environment.data());
  stop(report, execute);
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  // execve(2) does not write to them.
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

Result<> check(const Spawn& what) {
  if (what.program.empty() || what.program.front() != '/') {
    return fail(Trouble::permanent, fmt::format("program {} is not an absolute path", what.program));
  }
  if (what.arguments.empty()) return fail(Trouble::permanent, "a program needs its argv[0]");
  if (what.uid.has_value() != what.gid.has_value()) {
    return fail(Trouble::permanent, "uid and gid go together");
  }
  for (const auto& [ours, theirs] : what.descriptors) {
    if (ours < 0 || theirs < 0 || theirs > 1023) {
      return fail(Trouble::permanent, "descriptor out of range");
    }
  }
  return {};
}

ChildEnd to_end(pid_t pid, int status) {
  ChildEnd end;
  end.pid = pid;
  if (WIFSIGNALED(status)) {
    end.signal = WTERMSIG(status);
  } else {
    end.exit_status = WEXITSTATUS(status);
  }
  return end;
}

}  // namespace

bool open_standard_streams() {
  for (int fd = 0; fd < 3; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    // The lowest free number is taken, and those below are open.
    if (::open("/dev/null", O_RDWR) != fd) return false;
  }
  return true;
}

Result<pid_t> spawn(const Spawn& what) {
  if (auto good = check(what); !good) return fail(good.error());
  if (what.uid && ::geteuid() != 0 && (*what.uid != ::geteuid() || *what.gid != ::getegid())) {
    return fail(
        Error::from_errno(EPERM, fmt::format("{} as uid {} gid {}", what.program, *what.uid, *what.gid)));
  }
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return fail_errno("open /dev/null");
  auto report = pipe();
  if (!report) return fail(report.error());

  Plan plan;
  plan.what = &what;
  plan.arguments = pointers(what.arguments);
  plan.environment = pointers(what.environment);
  plan.descriptors = what.descriptors;
  plan.report = report->second.get();
  plan.parent = ::getpid();
  plan.change_identity = what.uid.has_value() && ::geteuid() == 0;
  for (int standard = 0; standard < 3; ++standard) {
    const bool mapped =
        std::ranges::any_of(what.descriptors, [&](const auto& pair) { return pair.second == standard; });
    if (!mapped) plan.descriptors.emplace_back(null.get(), standard);
  }
  for (const auto& pair : plan.descriptors) plan.above = std::max(plan.above, pair.second + 1);
  plan.moved.resize(plan.descriptors.size());

  // No handler of ours may run in the child, which shares our memory until it executes.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::vfork();
  if (pid == 0) run_child(plan);
  const int fork_error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return fail(Error::from_errno(fork_error, "fork"));

  report->second.reset();
  Failure failure;
  ssize_t got = 0;
  do {
    got = ::read(report->first.get(), &failure, sizeof failure);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return pid;  // the pipe closed on exec
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (got != static_cast<ssize_t>(sizeof failure)) return fail(Trouble::temporary, "the child vanished");
  const std::size_t step = std::min<std::size_t>(static_cast<std::size_t>(failure.step), execute);
  return fail(Error::from_errno(failure.os_error, fmt::format("{} {}", step_names[step], what.program)));
}

std::optional<ChildEnd> reap() {
  int status = 0;
  pid_t pid = 0;
  do {
    pid = ::waitpid(-1, &status, WNOHANG);
  } while (pid < 0 && errno == EINTR);
  if (pid <= 0) return std::nullopt;
  return to_end(pid, status);
}

Result<ChildEnd> wait_for(pid_t pid) {
  int status = 0;
  pid_t found = 0;
  do {
    found = ::waitpid(pid, &status, 0);
  } while (found < 0 && errno == EINTR);
  if (found < 0) return fail_errno(fmt::format("wait for {}", pid));
  return to_end(found, status);
}

void close_all_but(std::vector<int> keep) {
  std::sort(keep.begin(), keep.end());
  unsigned from = 3;
  for (const int number : keep) {
    if (number < static_cast<int>(from)) continue;
    const auto kept = static_cast<unsigned>(number);
    if (kept > from) ::close_range(from, kept - 1, 0);
    from = kept + 1;
  }
  ::close_range(from, ~0U, 0);
}

}  // namespace postrider::os
