#include "lib/os/credentials.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "lib/os/files.h"
#include "lib/os/process.h"
#include "tests/unit/os/faulty_files.h"

using namespace postrider;
using namespace postrider::os;

namespace {

int in_child(int (*body)()) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  return wait_for(pid)->exit_status;
}

}  // namespace

TEST_CASE("root is found by name and by number, a stranger is not found") {
  const auto by_name = find_user("root");
  REQUIRE((by_name && *by_name));
  CHECK((*by_name)->uid == 0);
  CHECK((*by_name)->home == "/root");
  const auto by_uid = find_user(uid_t{0});
  REQUIRE((by_uid && *by_uid));
  CHECK((*by_uid)->name == "root");
  const auto nobody = find_user("no-such-user-here");
  REQUIRE(nobody);
  CHECK_FALSE(nobody->has_value());
  CHECK_FALSE(find_user(uid_t{4'000'000'000U})->has_value());
  CHECK(**find_group("root") == 0);
  CHECK_FALSE(find_group("no-such-group-here")->has_value());
  CHECK_FALSE(find_user("")->has_value());
}

TEST_CASE("becoming another user is for good") {
  if (!running_as_root()) return;  // only root can become another
  CHECK(in_child([] {
          if (!become(65534, 65533, {65532})) return 1;
          if (::getuid() != 65534 || ::getegid() != 65533) return 2;
          gid_t groups[4];
          if (::getgroups(4, groups) != 1 || groups[0] != 65532) return 3;
          if (::setuid(0) == 0 || ::seteuid(0) == 0 || ::setgid(0) == 0) return 4;
          if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return 5;
          if (system_files().open("/etc/shadow", O_RDONLY)) return 6;
          return become(65534, 65533) && !become(0, 0) ? 0 : 7;
        }) == 0);
}

TEST_CASE("without root one can only become oneself") {
  CHECK(in_child([] {
          if (running_as_root() && !become(65534, 65533)) return 1;
          const uid_t uid = ::geteuid();
          const gid_t gid = ::getegid();
          if (!become(uid, gid)) return 2;
          if (become(uid + 1, gid) || become(uid, gid + 1)) return 3;
          if (!ActingAs::begin(uid, gid)) return 4;
          const auto other = ActingAs::begin(uid + 1, gid);
          return !other && other.error().is(Trouble::access) ? 0 : 5;
        }) == 0);
}

TEST_CASE("acting as a user ends with the scope, and what was written is the user's") {
  if (!running_as_root()) return;  // only root can act as another
  const os::test::TemporaryDirectory directory;
  REQUIRE(::chown(directory.path().c_str(), 65534, 65533) == 0);
  {
    auto acting = ActingAs::begin(65534, 65533);
    REQUIRE(acting);
    const ActingAs moved = std::move(*acting);
    CHECK(::geteuid() == 65534);
    CHECK(::getgroups(0, nullptr) == 1);
    CHECK(replace_file(system_files(), directory / "mine", "", 0600));
    CHECK_FALSE(system_files().open("/etc/shadow", O_RDONLY));
  }
  CHECK(::geteuid() == 0);
  CHECK(::getegid() == 0);
  CHECK(system_files().stat(directory / "mine")->uid == 65534);
  CHECK(system_files().stat(directory / "mine")->gid == 65533);
}
