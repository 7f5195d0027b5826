#include "tools/local_accounts.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

using namespace postrider;

namespace {

// Account files, and a getent that knows nobody until a test says otherwise.
class Accounts {
 public:
  Accounts() {
    std::string pattern = "/tmp/postrider-accounts-XXXXXX";
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    sources = {pattern + "/passwd", pattern + "/group", pattern + "/getent"};
    write(sources.passwd,
          "+nis::0:0:::\nann:x:1001:100:Ann Example,,:/home/ann:/bin/sh\n1234:x:7:7::/:/bin/sh\n");
    write(sources.group, "staff:x:50:ann\n");
    getent("exit 2");
  }
  ~Accounts() { std::filesystem::remove_all(directory_); }

  void getent(const std::string& script) {
    // Written under another name: who executes a file that is open for writing is refused.
    write(sources.getent + ".new", "#!/bin/sh\n" + script + "\n");
    std::filesystem::permissions(sources.getent + ".new", std::filesystem::perms::owner_all);
    std::filesystem::rename(sources.getent + ".new", sources.getent);
  }

  int user(std::string_view name) { return tools::find_account(sources, name, &entry, buffer, &found); }
  int user(uid_t uid) { return tools::find_account(sources, uid, &entry, buffer, &found); }

  tools::AccountSources sources;
  std::array<char, 1000> buffer{};
  passwd entry{};
  passwd* found = nullptr;

 private:
  static void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }
  std::string directory_;
};

}  // namespace

TEST_CASE("an account of this system is found without asking anybody") {
  Accounts accounts;
  accounts.sources.getent = "/nonexistent";
  REQUIRE(accounts.user("ann") == 0);
  REQUIRE(accounts.found != nullptr);
  CHECK(accounts.entry.pw_uid == 1001);
  CHECK(std::string(accounts.entry.pw_gecos) == "Ann Example,,");
  REQUIRE(accounts.user(uid_t{1001}) == 0);
  REQUIRE(accounts.found != nullptr);
  CHECK(std::string(accounts.entry.pw_name) == "ann");
  group entry{};
  group* found = nullptr;
  REQUIRE(tools::find_group(accounts.sources, "staff", &entry, accounts.buffer, &found) == 0);
  REQUIRE(found != nullptr);
  CHECK(entry.gr_gid == 50);
}

TEST_CASE("an account of another database is found through getent") {
  Accounts accounts;
  accounts.getent(R"([ "$*" = "-- passwd ben" ] || [ "$*" = "-- passwd 2002" ] || exit 2
echo "ben:*:2002:200:Ben:/net/ben:/bin/sh")");
  REQUIRE(accounts.user("ben") == 0);
  REQUIRE(accounts.found != nullptr);
  CHECK(accounts.entry.pw_uid == 2002);
  REQUIRE(accounts.user(uid_t{2002}) == 0);
  REQUIRE(accounts.found != nullptr);
  CHECK(std::string(accounts.entry.pw_dir) == "/net/ben");
}

TEST_CASE("an account that no database has is not found, and that is no error") {
  Accounts accounts;
  CHECK(accounts.user("nobody-here") == 0);
  CHECK(accounts.found == nullptr);
  // The number in front of NIS entries is nobody's.
  CHECK(accounts.user(uid_t{0}) == 0);
  CHECK(accounts.found == nullptr);
}

TEST_CASE("a database that cannot be asked is an error and not an unknown account") {
  Accounts accounts;
  accounts.getent("exit 1");
  CHECK(accounts.user("ben") == EIO);
  accounts.sources.getent = "/nonexistent";
  CHECK(accounts.user("ben") == EIO);
}

TEST_CASE("getent is not asked for a name that it would take for a number") {
  Accounts accounts;
  accounts.getent("echo ben:*:2002:200:Ben:/net/ben:/bin/sh");
  CHECK(accounts.user("2002") == 0);
  CHECK(accounts.found == nullptr);
  REQUIRE(accounts.user("1234") == 0);
  REQUIRE(accounts.found != nullptr);
  CHECK(accounts.entry.pw_uid == 7);
}

TEST_CASE("an account that does not fit is asked for again with more room") {
  Accounts accounts;
  std::array<char, 8> small{};
  CHECK(tools::find_account(accounts.sources, "ann", &accounts.entry, small, &accounts.found) == ERANGE);
}
