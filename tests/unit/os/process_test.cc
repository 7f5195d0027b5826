#include "lib/os/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>

#include <catch2/catch.hpp>

#include "lib/os/files.h"
#include "lib/os/socket.h"
#include "tests/unit/os/faulty_files.h"

using namespace postrider;
using namespace postrider::os;

namespace {

struct Ran {
  std::string output;
  ChildEnd end;
};

// Runs a shell script with its standard output in a pipe.
Ran run(Spawn what, const std::string& script) {
  auto [reader, writer] = *os::pipe();
  what.program = "/bin/sh";
  what.arguments = {"sh", "-c", script};
  what.descriptors.emplace_back(writer.get(), 1);
  const auto pid = spawn(what);
  REQUIRE(pid);
  writer.reset();
  Ran ran;
  char bytes[4096];
  while (true) {
    const auto got = system_files().read(reader.get(), bytes);
    REQUIRE(got);
    if (*got == 0) break;
    ran.output.append(bytes, *got);
  }
  ran.end = *wait_for(*pid);
  return ran;
}

}  // namespace

TEST_CASE("a program that cannot be executed is an error, not a child") {
  Spawn what;
  what.program = "/nonexistent/program";
  what.arguments = {"program"};
  const auto pid = spawn(what);
  REQUIRE_FALSE(pid);
  CHECK(pid.error().is(Trouble::not_found));
  CHECK(pid.error().text() == "exec /nonexistent/program: No such file or directory");
  CHECK_FALSE(reap());

  what.program = "/bin/sh";
  what.directory = "/nonexistent";
  CHECK(spawn(what).error().text() == "chdir /bin/sh: No such file or directory");
  what.program = "sh";
  CHECK(spawn(what).error().is(Trouble::permanent));
}

TEST_CASE("a child has exactly the environment and directory it was given") {
  Spawn what;
  what.environment = {"ONE=1", "PATH=/bin:/usr/bin"};
  what.directory = "/";
  const Ran ran = run(what, "echo $ONE $HOME; pwd; exit 3");
  CHECK(ran.output == "1\n/\n");
  CHECK(ran.end.exit_status == 3);
  CHECK(ran.end.signal == 0);
}

TEST_CASE("a child has exactly the descriptors it was given, even when numbers cross over") {
  auto [low, high] = *socket_pair();
  const int stray = ::open("/dev/null", O_RDONLY);  // not close-on-exec, as from a careless library
  REQUIRE(stray >= 0);
  Spawn what;
  what.environment = {"PATH=/bin:/usr/bin"};
  what.descriptors = {{low.get(), high.get()}, {high.get(), low.get()}};
  const Ran ran = run(what, "ls /proc/$$/fd; readlink /proc/$$/fd/0 /proc/$$/fd/" +
                                std::to_string(low.get()) + " /proc/$$/fd/" + std::to_string(high.get()));
  ::close(stray);
  std::vector<std::string> expected = {"0", "1", "2", std::to_string(low.get()), std::to_string(high.get())};
  std::string listing;
  std::ranges::sort(expected, [](const auto& a, const auto& b) { return a < b; });
  for (const std::string& number : expected) listing += number + "\n";
  std::string links = "/dev/null\n";
  char link[64];
  for (const int fd : {high.get(), low.get()}) {
    const ssize_t length = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), link, sizeof link);
    links += std::string(link, static_cast<std::size_t>(length)) + "\n";
  }
  CHECK(ran.output == listing + links);
}

TEST_CASE("ignored and blocked signals of ours do not reach a child") {
  struct sigaction ignore{};
  struct sigaction old{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &old);
  sigset_t blocked;
  sigset_t before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &blocked, &before);
  Spawn what;
  what.environment = {"PATH=/bin:/usr/bin"};
  const Ran ran = run(what, "grep -E '^Sig(Blk|Ign)' /proc/self/status");
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  ::sigaction(SIGPIPE, &old, nullptr);
  CHECK(ran.output == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_CASE("a child that is killed is told from one that ends") {
  Spawn what;
  const Ran ran = run(what, "kill -KILL $$");
  CHECK(ran.end.signal == SIGKILL);
}

TEST_CASE("a child in a session of its own leads its process group") {
  Spawn what;
  what.environment = {"PATH=/bin:/usr/bin"};
  what.new_session = true;
  const Ran ran = run(what,
                      "read -r pid name state ppid pgrp session rest < /proc/$$/stat; "
                      "[ $pid = $pgrp ] && [ $pid = $session ] && echo leads");
  CHECK(ran.output == "leads\n");
}

TEST_CASE("a child dies with its parent when told to") {
  auto [reader, writer] = *os::pipe();
  const pid_t parent = ::fork();
  if (parent == 0) {
    Spawn what;
    what.program = "/bin/sh";
    what.arguments = {"sh", "-c", "read -r forever <&3"};
    auto [in, out] = *os::pipe();
    const int held = ::dup(out.get());  // so that read does not end by itself
    what.descriptors = {{in.get(), 3}, {writer.get(), 4}, {held, 5}};
    ::_exit(spawn(what) ? 0 : 1);
  }
  writer.reset();
  CHECK(wait_for(parent)->exit_status == 0);
  char byte = 0;
  CHECK(*system_files().read(reader.get(), std::span(&byte, 1)) == 0);  // the grandchild is gone
}

TEST_CASE("root spawns a child as another user with no other groups, others cannot") {
  Spawn what;
  what.environment = {"PATH=/bin:/usr/bin"};
  what.uid = 65534;
  what.gid = 65533;
  if (::geteuid() == 0) {
    CHECK(run(what, "id -u; id -g; id -G").output == "65534\n65533\n65533\n");
  } else {
    what.program = "/bin/sh";
    what.arguments = {"sh", "-c", ":"};
    CHECK(spawn(what).error().is(Trouble::access));
  }
}

TEST_CASE("no descriptor is lost over many children") {
  const auto lowest = [] { return Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)).get(); };
  Spawn good;
  good.program = "/bin/true";
  good.arguments = {"true"};
  Spawn bad = good;
  bad.program = "/nonexistent";
  const int before = lowest();
  for (int i = 0; i < 50; ++i) {
    const auto pid = spawn(good);
    REQUIRE(pid);
    CHECK(wait_for(*pid)->exit_status == 0);
    CHECK_FALSE(spawn(bad));
  }
  CHECK(lowest() == before);
}
