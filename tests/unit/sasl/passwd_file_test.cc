#include "lib/sasl/passwd_file.h"

#include <cstdlib>

#include <unistd.h>
#include <catch2/catch.hpp>

#include "lib/sasl/authenticator.h"

using namespace postrider;
using namespace postrider::sasl;

namespace {

struct File {
  std::string path;
  File() {
    char name[] = "/tmp/postrider-passwd-XXXXXX";
    const int fd = ::mkstemp(name);
    if (fd < 0) std::abort();
    ::close(fd);
    path = name;
  }
  ~File() { ::unlink(path.c_str()); }
  void write(const std::string& text) const {
    if (!os::replace_file(os::system_files(), path, text, 0600)) std::abort();
  }
};

}  // namespace

TEST_CASE("lines of a passwd-file become users") {
  std::vector<std::string> complaints;
  const auto users = parse_passwd_file(
      "# comment\n"
      "\n"
      "Ann@Example.ORG:{PLAIN}a:1001:1002::/mail/ann::userdb_mail=maildir:~/Maildir "
      "allow_nets=192.0.2.0/24,local\n"
      "bob:{PLAIN}b\r\n"
      "carl:$1$x[34]:::::\n"
      "dora:{PLAIN}d:1:2::::nologin\n"
      "bob:{PLAIN}second\n"
      "no colon\n"
      ":nobody\n"
      "eve:{PLAIN}e:no-such-account-here:5\n",
      complaints);
  REQUIRE(users.size() == 4);
  const UserEntry& ann = users.at("ann@example.org");
  CHECK(ann.name == "Ann@Example.ORG");
  CHECK(ann.uid == 1001U);
  CHECK(ann.gid == 1002U);
  CHECK(ann.home == "/mail/ann");
  CHECK(ann.mail == "maildir:~/Maildir");
  CHECK(ann.allow_nets == std::vector<std::string>{"192.0.2.0/24", "local"});
  CHECK(users.at("bob").password == "{PLAIN}b");
  CHECK_FALSE(users.at("bob").uid);
  CHECK(users.at("carl").password == "$1$x");
  CHECK(users.at("dora").disabled);
  CHECK(complaints ==
        std::vector<std::string>{"line 8 is no user", "line 9 is no user", "line 10 is no user"});
}

TEST_CASE("a passwd-file that changed is read again") {
  File file;
  file.write("ann:{PLAIN}old\n");
  ManualClock clock;
  MemoryLog log;
  auto database = PasswdFile::open(os::system_files(), clock, log, file.path);
  REQUIRE(database);
  file.write("ann:{PLAIN}new\nbob:{PLAIN}b\n");
  CHECK((*database)->find("ann").value()->password == "{PLAIN}old");
  clock.advance(Seconds{2});
  CHECK((*database)->find("ANN").value()->password == "{PLAIN}new");
  CHECK((*database)->find("bob").value());
  ::unlink(file.path.c_str());
  clock.advance(Seconds{2});
  CHECK((*database)->find("bob").value());
  CHECK(log.contains("the former users are in force"));
  CHECK_FALSE((*database)->find("eve").value());
  CHECK(PasswdFile::open(os::system_files(), clock, log, "/nonexistent").error().is(Trouble::not_found));
}

TEST_CASE("the first database that knows a user decides, and refusals are logged in Dovecot's words") {
  File one, two;
  one.write(
      "ann:{PLAIN}one\nnets:{PLAIN}n:::::"
      ":allow_nets=192.0.2.0/24\nlocked:{PLAIN}l::::::nologin\nodd:{ARGON9}x\n");
  two.write("ann:{PLAIN}two\nbob@example.org:{PLAIN}b:7:8::/h/%d/%n\n");
  ManualClock clock;
  MemoryLog log;
  std::vector<std::unique_ptr<UserDatabase>> databases;
  databases.push_back(std::move(*PasswdFile::open(os::system_files(), clock, log, one.path)));
  databases.push_back(std::move(*PasswdFile::open(os::system_files(), clock, log, two.path)));
  Authenticator authenticator(
      log, std::move(databases),
      {.realm = "example.org", .uid = 5, .gid = 6, .home = "/home/%u", .mail = "mbox:x"});
  const auto verdict = [&](std::string_view user, std::string_view password,
                           std::string_view client = "192.0.2.9") {
    return authenticator.check(user, password, client).verdict;
  };
  CHECK(verdict("ann", "one") == Verdict::match);
  CHECK(verdict("ann", "two") == Verdict::mismatch);
  CHECK(log.contains("passwd-file(ann,192.0.2.9): Password mismatch"));
  CHECK(verdict("eve", "x") == Verdict::unknown_user);
  CHECK(log.contains("passwd-file(eve,192.0.2.9): unknown user"));
  CHECK(verdict("bob", "b") == Verdict::match);
  CHECK(authenticator.check("BOB@example.ORG", "b", "::1").user == "bob@example.org");
  CHECK(verdict("nets", "n") == Verdict::match);
  CHECK(verdict("nets", "n", "198.51.100.1") == Verdict::disabled);
  CHECK(verdict("locked", "l") == Verdict::disabled);
  CHECK(verdict("locked", "x") == Verdict::mismatch);
  CHECK(verdict("odd", "x") == Verdict::temporary);
  CHECK(verdict("an\nn", "x") == Verdict::unknown_user);
  CHECK(verdict(std::string(300, 'a'), "x") == Verdict::unknown_user);
  CHECK(verdict("", "") == Verdict::unknown_user);

  const UserEntry bob = authenticator.completed(*authenticator.find("bob").value());
  CHECK(bob.uid == 7U);
  CHECK(bob.home == "/h/example.org/bob");
  const UserEntry ann = authenticator.completed(*authenticator.find("ann").value());
  CHECK(ann.uid == 5U);
  CHECK(ann.home == "/home/ann");
  CHECK(ann.mail == "mbox:x");
}
