#include "lib/mailbox/maildir.h"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/core.h>

#include "lib/mailbox/maildir_delivery.h"
#include "tests/unit/mailbox/mailbox_files.h"
#include "tests/unit/os/faulty_files.h"

using namespace postrider;
using namespace postrider::mailbox;
using test::content_of;
using test::names_in;
using test::put;
using test::TemporaryDirectory;

namespace {

const SystemClock wall_clock;

Result<Maildir> open_maildir(const std::string& directory, Log& log, os::Files& files = os::system_files()) {
  return Maildir::open(files, wall_clock, log, {.directory = directory});
}

// What a client sees: UID, base name and flags of each message.
std::string listing(const Maildir& maildir) {
  std::string text;
  for (const auto& message : maildir.messages()) text += fmt::format("{} {}\n", message.uid, message.name);
  return text;
}

void put_dovecot_maildir(const std::string& root) {
  put(root + "/cur/1276528487.M364837P9451.kurkku,S=5,W=6:2,S", "aaaa\n");
  put(root + "/cur/1276533073.M242911P3632.kurkku:2,FS", "bb\nb\n");
  put(root + "/new/1276533074.M1P3632.kurkku,S=3,W=4", "cc\n");
  put(root + "/tmp/.keep", "");
  put(root + "/dovecot-uidlist",
      "3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n"
      "25006 :1276528487.M364837P9451.kurkku,S=5,W=6\n"
      "25017 W9 :1276533073.M242911P3632.kurkku\n");
}

}  // namespace

TEST_CASE("a Maildir that Dovecot wrote opens with its UIDs, flags and sizes") {
  TemporaryDirectory dir;
  MemoryLog log;
  put_dovecot_maildir(dir / "m");
  auto maildir = open_maildir(dir / "m", log);
  REQUIRE(maildir);
  CHECK(maildir->uid_validity() == 1275660208U);
  CHECK(listing(*maildir) ==
        "25006 1276528487.M364837P9451.kurkku,S=5,W=6:2,S\n"
        "25017 1276533073.M242911P3632.kurkku:2,FS\n"
        "25022 1276533074.M1P3632.kurkku,S=3,W=4:2,\n");
  CHECK(maildir->messages()[0].virtual_size == 6);
  CHECK(maildir->messages()[1].size == 5);
  CHECK(maildir->messages()[1].virtual_size == 9);
  CHECK(names_in(dir / "m/new").empty());
  CHECK(names_in(dir / "m/cur").size() == 3);
  // Appended only, as Dovecot does.
  CHECK(content_of(dir / "m/dovecot-uidlist") ==
        "3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n"
        "25006 :1276528487.M364837P9451.kurkku,S=5,W=6\n"
        "25017 W9 :1276533073.M242911P3632.kurkku\n"
        "25022 :1276533074.M1P3632.kurkku,S=3,W=4\n");
  CHECK(log.text().empty());
  const auto message = maildir->open_message(25022);
  REQUIRE(message);
  CHECK(message->length == 3U);
  char text[10];
  CHECK(os::system_files().read(message->fd.get(), text) == 3U);
}

TEST_CASE("a Maildir without any of Dovecot's files gets UIDs in order of arrival") {
  TemporaryDirectory dir;
  MemoryLog log;
  put(dir / "m/new/1000000002.M5P1.h", "c\n");
  put(dir / "m/cur/1000000002.M40P1.h:2,S", "d\n");
  put(dir / "m/cur/999999999.M9P1.h:2,", "a\n");
  put(dir / "m/cur/1000000001.123.h:2,", "b\n");
  put(dir / "m/tmp/.keep", "");
  std::string first;
  for (int i = 0; i < 2; ++i) {
    auto maildir = open_maildir(dir / "m", log);
    REQUIRE(maildir);
    CHECK(listing(*maildir) ==
          "1 999999999.M9P1.h:2,\n2 1000000001.123.h:2,\n3 1000000002.M5P1.h:2,\n4 1000000002.M40P1.h:2,S\n");
    CHECK(maildir->next_uid() == 5U);
    const std::string list = content_of(dir / "m/dovecot-uidlist");
    if (i == 0) first = list;
    CHECK(list == first);
    CHECK(content_of(dir / "m/dovecot-uidvalidity") == fmt::format("{:08x}", maildir->uid_validity()));
    CHECK(names_in(dir / "m") ==
          std::vector<std::string>{"cur", "dovecot-uidlist", "dovecot-uidvalidity",
                                   fmt::format("dovecot-uidvalidity.{:08x}", maildir->uid_validity()), "new",
                                   "tmp"});
  }
}

TEST_CASE("a list that is damaged is replaced under a new UIDVALIDITY and said so") {
  TemporaryDirectory dir;
  MemoryLog log;
  put_dovecot_maildir(dir / "m");
  put(dir / "m/dovecot-uidlist", "3 V1275660208 N25022 G00\n5 :a\n5 :b\n");
  auto maildir = open_maildir(dir / "m", log);
  REQUIRE(maildir);
  CHECK(maildir->uid_validity() != 1275660208U);
  CHECK(maildir->messages().size() == 3);
  CHECK(log.contains("line 3: UIDs do not rise"));
  auto again = open_maildir(dir / "m", log);
  REQUIRE(again);
  CHECK(again->uid_validity() == maildir->uid_validity());
}

TEST_CASE("sizes that no name tells are read once and remembered as Dovecot would") {
  TemporaryDirectory dir;
  MemoryLog log;
  put(dir / "m/cur/1.M1P1.h:2,", "a\nb\r\nc\n");
  put(dir / "m/new/.keep", "");
  put(dir / "m/tmp/.keep", "");
  {
    auto maildir = open_maildir(dir / "m", log);
    REQUIRE(maildir);
    CHECK(maildir->messages()[0].size == 7);
    CHECK(maildir->messages()[0].virtual_size == unknown_size);
    REQUIRE(maildir->measure());
    CHECK(maildir->messages()[0].virtual_size == 9);
    CHECK(uid_field(maildir->messages()[0].fields, 'W') == "9");
  }
  CHECK(content_of(dir / "m/dovecot-uidlist").ends_with("\n1 S7 W9 :1.M1P1.h\n"));
  auto maildir = open_maildir(dir / "m", log);
  REQUIRE(maildir);
  CHECK(maildir->messages()[0].virtual_size == 9);
}

TEST_CASE("flags and expunges of another session are found when they are met") {
  TemporaryDirectory dir;
  MemoryLog log;
  put_dovecot_maildir(dir / "m");
  auto mine = open_maildir(dir / "m", log);
  auto other = open_maildir(dir / "m", log);
  REQUIRE(mine);
  REQUIRE(other);
  const Maildir::FlagChange change[] = {{25006, "T", "S"}};
  REQUIRE(other->change_flags(change));
  CHECK(names_in(dir / "m/cur")[0].ends_with(":2,T"));
  CHECK(mine->open_message(25006).has_value());
  const std::uint32_t gone[] = {25017};
  REQUIRE(other->expunge(gone));
  const auto missing = mine->open_message(25017);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().is(Trouble::not_found));

  // And against a name that changed meanwhile.
  const Maildir::FlagChange again[] = {{25006, "S", "T"}, {25017, "S", ""}};
  REQUIRE(other->change_flags(again));
  const Maildir::FlagChange mine_too[] = {{25006, "F", ""}};
  REQUIRE(mine->change_flags(mine_too));
  CHECK(names_in(dir / "m/cur")[0].ends_with(":2,FS"));
  const std::uint32_t all[] = {25006, 25017, 25022};
  REQUIRE(other->expunge(all));
  CHECK(other->messages().empty());
  CHECK(names_in(dir / "m/cur").empty());
}

TEST_CASE("refresh sees new mail and does nothing when nothing happened") {
  TemporaryDirectory dir;
  MemoryLog log;
  ManualClock clock;
  os::test::FaultyFiles files;
  put_dovecot_maildir(dir / "m");
  // Well after the files' times, so that they have settled.
  clock.set_wall(wall_clock.wall() + Seconds{100});
  auto maildir = Maildir::open(files, clock, log, {.directory = dir / "m"});
  REQUIRE(maildir);
  const auto first = maildir->refresh();  // our own renaming touched the directories
  REQUIRE(first);
  const auto lists = files.calls("list");
  const auto second = maildir->refresh();
  REQUIRE(second);
  CHECK_FALSE(*second);
  CHECK(files.calls("list") == lists);

  MaildirDelivery agent(os::system_files(), wall_clock, "host", 0);
  Delivery one;
  one.directory = dir / "m";
  one.content.bytes = "new\n";
  REQUIRE(agent.deliver(one));
  const auto third = maildir->refresh();
  REQUIRE(third);
  CHECK(*third);
  CHECK(maildir->messages().size() == 4);
  CHECK(maildir->messages()[3].uid == 25023U);
}

TEST_CASE("two files of one base name: one file loses a name, two messages get two names") {
  TemporaryDirectory dir;
  MemoryLog log;
  put_dovecot_maildir(dir / "m");
  const std::string base = dir / "m/cur/1276528487.M364837P9451.kurkku,S=5,W=6";
  REQUIRE(::link((base + ":2,S").c_str(), (base + ":2,").c_str()) == 0);
  put(dir / "m/cur/1276533073.M242911P3632.kurkku:2,", "other\n");
  put(dir / "m/cur/1.M1P1.h,S=2:2,", "x\n");
  put(dir / "m/cur/1.M1P1.h,S=2:2,F", "y\n");
  put(dir / "m/cur/1.M1P1.h,S=2:2,T", "z\n");
  auto maildir = open_maildir(dir / "m", log);
  REQUIRE(maildir);
  CHECK(maildir->messages().size() == 7);
  CHECK(names_in(dir / "m/cur").size() == 7);
  std::string all;
  for (const auto& message : maildir->messages()) {
    all += content_of(dir / ("m/cur/" + std::string(message.name)));
  }
  for (const char* text : {"aaaa", "bb\nb", "cc", "other", "x", "y", "z"})
    CHECK(all.find(text) != std::string::npos);
  auto again = open_maildir(dir / "m", log);
  REQUIRE(again);
  CHECK(listing(*again) == listing(*maildir));
}

TEST_CASE("most records dead: the list is written anew without them, few dead: they stay") {
  TemporaryDirectory dir;
  MemoryLog log;
  for (int i = 1; i <= 8; ++i) put(dir / fmt::format("m/cur/{}.M1P1.h,S=1,W=1:2,", i), "x");
  put(dir / "m/new/.keep", "");
  put(dir / "m/tmp/.keep", "");
  auto maildir = open_maildir(dir / "m", log);
  REQUIRE(maildir);
  const std::uint32_t two[] = {1, 2};
  REQUIRE(maildir->expunge(two));
  REQUIRE(open_maildir(dir / "m", log));
  CHECK(content_of(dir / "m/dovecot-uidlist").find("\n1 :1.M1P1.h") != std::string::npos);
  const std::uint32_t third[] = {3};
  REQUIRE(maildir->expunge(third));
  REQUIRE(open_maildir(dir / "m", log));
  const auto list = content_of(dir / "m/dovecot-uidlist");
  CHECK(list.find("\n1 :") == std::string::npos);
  CHECK(list.find("\n4 :") != std::string::npos);
  CHECK(list.find(" N9 ") != std::string::npos);
}

TEST_CASE("what is planted in cur/ is neither listed as mail nor opened") {
  TemporaryDirectory dir;
  MemoryLog log;
  put_dovecot_maildir(dir / "m");
  put(dir / "secret", "root only");
  REQUIRE(::symlink((dir / "secret").c_str(), (dir / "m/cur/5.M1P1.h:2,").c_str()) == 0);
  REQUIRE(::symlink((dir / "secret").c_str(), (dir / "m/cur/6.M1P1.h,S=9,W=9:2,").c_str()) == 0);
  REQUIRE(::mkfifo((dir / "m/cur/7.M1P1.h:2,").c_str(), 0600) == 0);
  REQUIRE(::mkfifo((dir / "m/cur/8.M1P1.h,S=9,W=9:2,").c_str(), 0600) == 0);
  REQUIRE(::mkdir((dir / "m/cur/9.M1P1.h:2,").c_str(), 0700) == 0);
  put(dir / "m/cur/:2,S", "no base name");
  auto maildir = open_maildir(dir / "m", log);
  REQUIRE(maildir);
  int opened = 0;
  for (const auto& message : std::vector(maildir->messages().begin(), maildir->messages().end())) {
    if (maildir->open_message(message.uid)) ++opened;
  }
  CHECK(opened == 3);
  CHECK(maildir->messages().size() == 5);
}

TEST_CASE("files in tmp/ go after 36 hours by the inode's clock, not by a message's date") {
  TemporaryDirectory dir;
  MemoryLog log;
  ManualClock clock;
  put_dovecot_maildir(dir / "m");
  put(dir / "m/tmp/1.M1P1.h", "half");
  REQUIRE(os::system_files().set_modified(dir / "m/tmp/1.M1P1.h", WallTime(Seconds{1000})));
  clock.set_wall(wall_clock.wall() + Seconds{35 * 3600});
  REQUIRE(Maildir::open(os::system_files(), clock, log, {.directory = dir / "m"}));
  CHECK(names_in(dir / "m/tmp").size() == 2);
  clock.advance(Seconds{2 * 3600});
  REQUIRE(Maildir::open(os::system_files(), clock, log, {.directory = dir / "m"}));
  CHECK(names_in(dir / "m/tmp").size() == 1);
}

TEST_CASE("whichever call fails, no message changes its UID and none is lost") {
  for (const int os_error : {ENOSPC, EIO}) {
    for (std::size_t k = 1;; ++k) {
      TemporaryDirectory dir;
      MemoryLog log;
      put_dovecot_maildir(dir / "m");
      put(dir / "m/new/1276533075.M1P3632.kurkku", "dd\n");
      os::test::FaultyFiles faulty;
      faulty.fail_call(k, os_error, {}, true);
      CAPTURE(k, os_error);
      std::string seen;
      {
        auto maildir = open_maildir(dir / "m", log, faulty);
        if (maildir) seen = listing(*maildir);
      }
      // A lock file whose removal failed would be taken over after two minutes.
      (void)os::system_files().unlink(dir / "m/dovecot-uidlist.lock");
      auto healed = open_maildir(dir / "m", log);
      REQUIRE(healed);
      CHECK(healed->messages().size() == 4);
      CHECK(healed->uid_validity() == 1275660208U);
      if (!seen.empty()) CHECK(listing(*healed) == seen);
      if (!faulty.failed()) break;
      REQUIRE(k < 200);
    }
  }
}
