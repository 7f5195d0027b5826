#include "lib/os/sandbox.h"

#include <event2/event.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <string_view>
#include <thread>

#include <catch2/catch.hpp>

#include "lib/os/files.h"
#include "lib/os/process.h"
#include "lib/os/socket.h"
#include "lib/os/system_call_filter.h"
#include "tests/unit/os/faulty_files.h"

using namespace postrider;
using namespace postrider::os;

namespace {

constexpr int no_filter = 77;

// Runs `body` in a child after its sandbox closed. The child's exit status is what body returned.
ChildEnd in_sandbox(const std::vector<Allow>& allowed, const std::function<int()>& body) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    (void)forbid_dumps_and_privileges();
    if (!restrict_system_calls(allowed)) ::_exit(no_filter);
    ::_exit(body());
  }
  REQUIRE(pid > 0);
  return *wait_for(pid);
}

bool refused(int result) { return result < 0 && errno == EPERM; }

int one_event() {
  int fired = 0;
  event_base* base = event_base_new();
  if (base == nullptr) return 1;
  event* timer =
      event_new(base, -1, 0, [](evutil_socket_t, short, void* seen) { ++*static_cast<int*>(seen); }, &fired);
  const timeval soon{0, 1000};
  event_add(timer, &soon);
  event_base_dispatch(base);
  event_free(timer);
  event_base_free(base);
  return fired == 1 ? 0 : 2;
}

}  // namespace

TEST_CASE("a sandboxed process without files can open, name and execute nothing") {
  const auto end = in_sandbox({Allow::descriptors, Allow::accept}, [] {
    struct stat status{};
    if (!refused(::open("/etc/passwd", O_RDONLY))) return 1;
    if (!refused(::stat("/etc/passwd", &status))) return 2;
    if (!refused(::unlink("/tmp/x"))) return 3;
    if (!refused(::mkdir("/tmp/x", 0700))) return 4;
    if (!refused(::rename("/tmp/x", "/tmp/y"))) return 5;
    if (!refused(::chdir("/"))) return 6;
    return 0;
  });
  if (end.exit_status == no_filter) {
    WARN("this kernel has no seccomp");
    return;
  }
  CHECK(end.signal == 0);
  CHECK(end.exit_status == 0);
}

TEST_CASE("a sandboxed process without connections can make no socket, and no other process") {
  const auto end = in_sandbox({Allow::descriptors, Allow::accept}, [] {
    if (!refused(::socket(AF_INET, SOCK_STREAM, 0))) return 1;
    if (!refused(::socket(AF_UNIX, SOCK_STREAM, 0))) return 2;
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    if (!refused(child)) return 3;
    if (!refused(::kill(::getppid(), 0))) return 4;
    if (::kill(::getpid(), 0) < 0) return 5;
    if (::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
      return 6;
    const rlimit more{1 << 20, 1 << 20};
    if (!refused(::setrlimit(RLIMIT_AS, &more))) return 7;
    return 0;
  });
  CHECK(end.signal == 0);
  CHECK((end.exit_status == 0 || end.exit_status == no_filter));
}

TEST_CASE("asking for a new program kills a sandboxed process") {
  const auto end = in_sandbox({Allow::descriptors, Allow::files, Allow::threads}, [] {
    ::execl("/bin/true", "true", nullptr);
    return 0;
  });
  CHECK((end.signal == SIGSYS || end.exit_status == no_filter));
}

TEST_CASE("what a network daemon does every day works inside the sandbox") {
  auto listener = listen_inet({"127.0.0.1", 0});
  REQUIRE(listener);
  const auto where = local_endpoint(*listener);
  REQUIRE(where);
  const auto client = start_connect_inet(*where);
  REQUIRE(client);
  const auto end = in_sandbox({Allow::descriptors, Allow::accept}, [&] {
    const auto served = os::accept(*listener);
    if (!served || !*served) return 1;
    if (!peer_endpoint(*served) || !set_no_delay(*served)) return 2;
    const std::string_view parts[] = {"content"};
    const auto file = memory_file("x", parts);
    if (!file) return 3;
    char bytes[16];
    if (*system_files().pread(file->get(), bytes, 0) != 7) return 4;
    if (system_files().fstat(file->get())->size != 7) return 5;
    if (one_event() != 0) return 6;
    unsigned char random[32];
    if (RAND_bytes(random, sizeof random) != 1) return 7;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (EVP_Digest(random, sizeof random, digest, &length, EVP_sha256(), nullptr) != 1) return 8;
    std::string large(8 << 20, 'x');
    if (socket_pair()) return large.size() == 8U << 20 ? 0 : 9;
    return 10;
  });
  CHECK(end.signal == 0);
  CHECK((end.exit_status == 0 || end.exit_status == no_filter));
}

TEST_CASE("files and threads work inside the sandbox where they are allowed") {
  const os::test::TemporaryDirectory directory;
  const auto end = in_sandbox({Allow::descriptors, Allow::files, Allow::threads}, [&] {
    if (!replace_file(system_files(), directory / "x", "abc", 0600)) return 1;
    if (read_file(system_files(), directory / "x", 10).value_or("") != "abc") return 2;
    auto fd = system_files().open(directory / "x", O_RDWR);
    if (!fd || !system_files().allocate(fd->get(), 0, 4096)) return 3;
    if (!system_files().try_lock(fd->get(), true)) return 4;
    int done = 0;
    std::thread([&] { done = 1; }).join();
    if (done != 1) return 5;
    const pid_t child = ::fork();  // a thread is not a process
    if (child == 0) ::_exit(0);
    return refused(child) ? 0 : 6;
  });
  CHECK(end.signal == 0);
  CHECK((end.exit_status == 0 || end.exit_status == no_filter));
}

TEST_CASE("a process with files may offer a socket of its own, one without may not") {
  const os::test::TemporaryDirectory directory;
  const auto with = in_sandbox({Allow::accept, Allow::connect_unix, Allow::files},
                               [&] { return listen_unix(directory / "service", 0600) ? 0 : 1; });
  CHECK(with.signal == 0);
  CHECK((with.exit_status == 0 || with.exit_status == no_filter));
  const auto without = in_sandbox({Allow::accept, Allow::connect_unix}, [] {
    const Fd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
    const sockaddr_un address{AF_UNIX, "postrider-test"};
    return refused(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address)) ? 0 : 1;
  });
  CHECK((without.exit_status == 0 || without.exit_status == no_filter));
}

TEST_CASE("a client of other hosts may connect to them and to nothing local") {
  auto listener = listen_inet({"127.0.0.1", 0});
  const auto where = local_endpoint(*listener);
  REQUIRE(where);
  const auto end = in_sandbox({Allow::descriptors, Allow::connect_inet}, [&] {
    const Endpoint from{"127.0.0.1", 0};
    if (!start_connect_inet(*where, &from)) return 1;
    if (!refused(::socket(AF_UNIX, SOCK_STREAM, 0))) return 2;
    return refused(::socket(AF_NETLINK, SOCK_RAW, 0)) ? 0 : 3;
  });
  CHECK(end.signal == 0);
  CHECK((end.exit_status == 0 || end.exit_status == no_filter));
}

TEST_CASE("after giving up dumps there is no core and no way to new privileges") {
  const pid_t pid = ::fork();
  if (pid == 0) {
    rlimit core{};
    if (!forbid_dumps_and_privileges()) ::_exit(1);
    if (::getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_max != 0) ::_exit(2);
    if (::prctl(PR_GET_DUMPABLE) != 0) ::_exit(3);
    ::_exit(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 4);
  }
  CHECK(wait_for(pid)->exit_status == 0);
}

TEST_CASE("behind a changed root only what is inside can be named") {
  if (::geteuid() != 0) return;  // only root may change its root
  const os::test::TemporaryDirectory directory;
  REQUIRE(replace_file(system_files(), directory / "inside", "", 0600));
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (!enter_chroot(directory.path())) ::_exit(1);
    if (::access("/inside", F_OK) != 0) ::_exit(2);
    ::_exit(::access("/../../etc/passwd", F_OK) == 0 ? 3 : 0);
  }
  CHECK(wait_for(pid)->exit_status == 0);
  CHECK(enter_chroot(directory / "none").error().is(Trouble::not_found));
}

TEST_CASE("a filter made before a fork allows signals to the child alone, and fork to nobody") {
  const auto filter = SystemCallFilter::make({Allow::descriptors});
  REQUIRE(filter);
  const pid_t pid = ::fork();
  if (pid == 0) {
    (void)forbid_dumps_and_privileges();
    if (!filter->install()) ::_exit(no_filter);
    if (::kill(::getpid(), 0) != 0) ::_exit(1);
    if (!refused(::kill(::getppid(), 0))) ::_exit(2);
    if (!refused(::fork())) ::_exit(3);
    ::_exit(0);
  }
  REQUIRE(pid > 0);
  const ChildEnd end = *wait_for(pid);
  if (end.exit_status == no_filter) {
    WARN("this kernel has no seccomp");
    return;
  }
  CHECK(end.signal == 0);
  CHECK(end.exit_status == 0);
}
