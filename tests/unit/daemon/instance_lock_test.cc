#include "lib/daemon/instance_lock.h"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "lib/base/text.h"
#include "tests/unit/os/faulty_files.h"

using namespace postrider;
using namespace postrider::daemon;
using os::system_files;
using os::test::TemporaryDirectory;

TEST_CASE("the second of two masters does not start, and the lock ends with its holder") {
  const TemporaryDirectory directory;
  const std::string path = directory / "master.pid";
  CHECK_FALSE(*is_locked(system_files(), path));
  {
    const auto first = InstanceLock::take(system_files(), path);
    REQUIRE(first);
    CHECK(*is_locked(system_files(), path));
    const auto second = InstanceLock::take(system_files(), path);
    REQUIRE_FALSE(second);
    CHECK(second.error().text() ==
          "open lock file " + path + ": unable to set exclusive lock: Resource temporarily unavailable");
    const auto content = os::read_file(system_files(), path, 100);
    CHECK(parse_number<pid_t>(trim(*content)) == ::getpid());
  }
  CHECK_FALSE(*is_locked(system_files(), path));
  CHECK(InstanceLock::take(system_files(), path));
}

TEST_CASE("a pid file left by a longer number or by a crash is overwritten whole") {
  const TemporaryDirectory directory;
  const std::string path = directory / "master.pid";
  REQUIRE(os::replace_file(system_files(), path, "123456789012345678901234567890\njunk\n", 0644));
  REQUIRE(InstanceLock::take(system_files(), path));
  CHECK(os::read_file(system_files(), path, 100)->size() == 11);
}

TEST_CASE("a lock file that is a link is refused") {
  const TemporaryDirectory directory;
  REQUIRE(os::replace_file(system_files(), directory / "target", "precious", 0644));
  REQUIRE(::symlink((directory / "target").c_str(), (directory / "soft").c_str()) == 0);
  REQUIRE(::link((directory / "target").c_str(), (directory / "hard").c_str()) == 0);
  CHECK_FALSE(InstanceLock::take(system_files(), directory / "soft"));
  CHECK_FALSE(InstanceLock::take(system_files(), directory / "hard"));
  CHECK(*os::read_file(system_files(), directory / "target", 100) == "precious");
}

TEST_CASE("no call that fails leaves a master running without its lock") {
  for (std::size_t k = 1;; ++k) {
    const TemporaryDirectory directory;
    os::test::FaultyFiles files;
    files.fail_call(k, EIO);
    const auto lock = InstanceLock::take(files, directory / "master.pid");
    CHECK(lock.has_value() == !files.failed());
    if (!files.failed()) break;
  }
}
