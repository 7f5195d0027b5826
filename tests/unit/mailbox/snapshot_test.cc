#include "lib/mailbox/snapshot.h"

#include <catch2/catch.hpp>

#include <unistd.h>

#include <fmt/core.h>

#include "lib/mailbox/maildir.h"
#include "tests/unit/mailbox/mailbox_files.h"
#include "tests/unit/os/faulty_files.h"

using namespace postrider;
using namespace postrider::mailbox;
using test::content_of;
using test::TemporaryDirectory;

namespace {

const SystemClock wall_clock;

// Counts how often cur/ is read.
class CountingFiles final : public os::test::WatchedFiles {
 public:
  int readings = 0;

 private:
  int allow(const os::test::FileCall& call) override {
    if (call.name == "list" && call.path.ends_with("/cur")) ++readings;
    return 0;
  }
  void done(const os::test::FileCall&, bool) override {}
};

// A Maildir of 300 messages that nobody has touched for a while.
class LargeMaildir {
 public:
  LargeMaildir() {
    for (const char* part : {"cur", "new", "tmp"}) REQUIRE(make_directories(files, path(part), 0700));
    for (int i = 0; i < 300; ++i)
      add(fmt::format("17000000{:02}.M{}P1.h,S={},W={}:2,", i / 10, i, i + 1, i + 2));
    (void)listing();  // gives UIDs
    settle();
  }

  std::string path(std::string_view name) const { return dir_ / "m/" + std::string(name); }
  std::string snapshot() const { return path("postrider-snapshot"); }

  void add(const std::string& name) { REQUIRE(files.open(path("cur/") + name, O_WRONLY | O_CREAT)); }

  void settle() {
    for (const char* name : {"cur", "new", "dovecot-uidlist"})
      REQUIRE(files.set_modified(path(name), wall_clock.wall() - Seconds{60}));
  }

  // All that a client could see, by a Maildir opened anew.
  std::string listing() {
    files.readings = 0;
    const auto maildir = Maildir::open(files, wall_clock, log_, {.directory = dir_ / "m"});
    REQUIRE(maildir);
    std::string text = fmt::format("{} {}\n", maildir->uid_validity(), maildir->next_uid());
    for (const auto& message : maildir->messages())
      text += fmt::format("{} {}{} {} {}\n", message.uid, message.name, message.fields, message.size,
                          message.virtual_size);
    return text;
  }

  CountingFiles files;

 private:
  TemporaryDirectory dir_;
  MemoryLog log_;
};

}  // namespace

TEST_CASE("a large Maildir that nobody touched opens from its snapshot, and looks the same") {
  LargeMaildir maildir;
  const std::string read = maildir.listing();
  CHECK(maildir.files.readings == 1);
  CHECK(::access(maildir.snapshot().c_str(), F_OK) == 0);
  CHECK(maildir.listing() == read);
  CHECK(maildir.files.readings == 0);
}

TEST_CASE("a snapshot is not believed when the directory or the uidlist changed") {
  LargeMaildir maildir;
  const std::string before = maildir.listing();
  maildir.add("1800000000.M1P1.h,S=7,W=8:2,");
  // However slow this test may be, that was a moment ago.
  REQUIRE(maildir.files.set_modified(maildir.path("cur"), wall_clock.wall() + Seconds{3600}));
  const std::string after = maildir.listing();
  CHECK(maildir.files.readings == 1);
  CHECK(after.size() > before.size());
  CHECK(after.find("1800000000.M1P1.h,S=7,W=8:2,") != std::string::npos);
  // Not still for a second: it is not yet known whether all has been seen, so nothing new is written.
  (void)maildir.listing();
  CHECK(maildir.files.readings == 1);

  maildir.settle();
  (void)maildir.listing();
  CHECK(maildir.listing() == after);
  CHECK(maildir.files.readings == 0);
  std::string list = content_of(maildir.path("dovecot-uidlist"));
  list.replace(list.find("\n5 :"), 4, "\n5 P5 :");
  test::put(maildir.path("dovecot-uidlist"), list);
  CHECK(maildir.listing().find(" P5 ") != std::string::npos);
}

TEST_CASE("a message that is renamed while a snapshot serves is found under its new name") {
  LargeMaildir maildir;
  (void)maildir.listing();
  MemoryLog log;
  auto opened = Maildir::open(maildir.files, wall_clock, log, {.directory = maildir.path("")});
  REQUIRE(opened);
  const auto uid = opened->messages()[7].uid;
  const std::string name(opened->messages()[7].name);
  REQUIRE(maildir.files.rename(maildir.path("cur/") + name, maildir.path("cur/") + name + "S"));
  CHECK(opened->open_message(uid));
}

TEST_CASE("a damaged snapshot counts as none") {
  LargeMaildir maildir;
  const std::string read = maildir.listing();
  const std::string whole = content_of(maildir.snapshot());
  REQUIRE(whole.size() > 300 * 24);
  const auto opens_without = [&](std::string damaged) {
    test::put(maildir.snapshot(), damaged);
    return maildir.listing() == read && maildir.files.readings == 1;
  };
  // Magic, checksum, count, a record, the texts; then torn at several places, and too long.
  for (const std::size_t at :
       {std::size_t{0}, std::size_t{9}, std::size_t{12}, std::size_t{150}, whole.size() - 3}) {
    INFO("byte " << at);
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
    CHECK(opens_without(damaged));
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{50}, std::size_t{104}, whole.size() - 1}) {
    INFO("length " << size);
    CHECK(opens_without(whole.substr(0, size)));
  }
  CHECK(opens_without(whole + "x"));
}
