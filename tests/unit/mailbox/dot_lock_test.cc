#include "lib/mailbox/dot_lock.h"

#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/core.h>

#include "tests/unit/mailbox/mailbox_files.h"
#include "tests/unit/os/faulty_files.h"

using namespace postrider;
using namespace postrider::mailbox;
using test::content_of;
using test::TemporaryDirectory;

namespace {
constexpr DotLock::Wait one_try{.timeout = Milliseconds{0}};
const SystemClock system_clock_of_test;
}  // namespace

TEST_CASE("a lock file names its holder and goes with the lock") {
  TemporaryDirectory dir;
  auto& files = os::system_files();
  {
    const auto lock = DotLock::acquire(files, system_clock_of_test, dir / "list");
    REQUIRE(lock);
    CHECK(content_of(dir / "list.lock").starts_with(fmt::format("{}:", ::getpid())));
    const auto second = DotLock::acquire(files, system_clock_of_test, dir / "list", one_try);
    REQUIRE_FALSE(second);
    CHECK(second.error().is(Trouble::temporary));
  }
  CHECK(test::names_in(dir.path()).empty());
  CHECK(DotLock::acquire(files, system_clock_of_test, dir / "list", one_try).has_value());
}

TEST_CASE("a lock file has its holder in it before it has its name, where there are hard links") {
  TemporaryDirectory dir;
  os::test::RecordingFiles files;
  REQUIRE(DotLock::acquire(files, system_clock_of_test, dir / "list"));
  bool named = false;
  for (const auto& call : files.changes()) {
    if (call.name == "write") CHECK_FALSE(named);
    if (call.path == dir / "list.lock") CHECK(call.name == "unlink");
    named = named || (call.name == "link" && call.other == dir / "list.lock");
  }
  CHECK(named);
  os::test::FaultyFiles linkless;
  linkless.fail_from(1, EPERM, "link");
  const auto lock = DotLock::acquire(linkless, system_clock_of_test, dir / "list", one_try);
  REQUIRE(lock);
  CHECK(content_of(dir / "list.lock").starts_with(fmt::format("{}:", ::getpid())));
  CHECK_FALSE(DotLock::acquire(linkless, system_clock_of_test, dir / "list", one_try));
}

TEST_CASE("a lock older than the limit is taken over, a younger one is respected") {
  TemporaryDirectory dir;
  auto& files = os::system_files();
  test::put(dir / "list.lock", "1:another.host");
  CHECK_FALSE(DotLock::acquire(files, system_clock_of_test, dir / "list", one_try).has_value());
  REQUIRE(files.set_modified(dir / "list.lock", system_clock_of_test.wall() - Seconds{121}));
  CHECK(DotLock::acquire(files, system_clock_of_test, dir / "list", one_try).has_value());
  CHECK(test::names_in(dir.path()).empty());
}

TEST_CASE("the lock of a process that died on this host is taken over at once") {
  TemporaryDirectory dir;
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  test::put(dir / "list.lock", fmt::format("{}:{}", 0x3fffffff, host));
  CHECK(DotLock::acquire(os::system_files(), system_clock_of_test, dir / "list", one_try).has_value());
}

TEST_CASE("a lock that was taken over is not removed by its former holder") {
  TemporaryDirectory dir;
  auto& files = os::system_files();
  {
    const auto lock = DotLock::acquire(files, system_clock_of_test, dir / "list");
    REQUIRE(lock);
    test::put(dir / "list.lock", "1:another.host");
  }
  CHECK(content_of(dir / "list.lock") == "1:another.host");
}

TEST_CASE("a symbolic link, a FIFO or a directory in the lock's place is a lock held by another") {
  TemporaryDirectory dir;
  auto& files = os::system_files();
  test::put(dir / "victim", "1:x");
  REQUIRE(::symlink((dir / "victim").c_str(), (dir / "a.lock").c_str()) == 0);
  REQUIRE(::mkfifo((dir / "b.lock").c_str(), 0600) == 0);
  REQUIRE(files.mkdir(dir / "c.lock", 0700));
  for (const char* name : {"a", "b", "c"}) {
    CHECK_FALSE(DotLock::acquire(files, system_clock_of_test, dir / name, one_try).has_value());
  }
  CHECK(content_of(dir / "victim") == "1:x");
}
