// dovecot-keywords, subscriptions, dovecot-uidvalidity and maildirsize, as text.

#include <catch2/catch.hpp>

#include <string>

#include <sys/stat.h>

#include "lib/mailbox/keywords.h"
#include "lib/mailbox/maildir_size.h"
#include "lib/mailbox/subscriptions.h"
#include "lib/mailbox/uid_validity.h"
#include "tests/unit/mailbox/mailbox_files.h"

using namespace postrider;
using namespace postrider::mailbox;
using test::content_of;
using test::names_in;
using test::put;
using test::TemporaryDirectory;

namespace {

template <class F>
void each_flipped_bit(const std::string& good, const F& check) {
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    check(bad);
  }
}

const std::string subscriptions_v2("V\t2\n\nSent\nLists\tpostrider\na\0011\001tb\n");

}  // namespace

TEST_CASE("keywords that Dovecot wrote have their letters, in any case") {
  auto keywords = Keywords::parse("0 $Forwarded\n1 NonJunk\n25 last\n");
  CHECK(keywords.letter("$forwarded") == 'a');
  CHECK(keywords.letter("NONJUNK") == 'b');
  CHECK(keywords.name('z') == "last");
  CHECK(keywords.name('c') == "unknown-2");
  CHECK_FALSE(keywords.letter("unknown-2").has_value());
  CHECK(keywords.add("nonjunk") == 'b');
  CHECK(keywords.add("Third") == 'c');
  CHECK(keywords.format() == "0 $Forwarded\n1 NonJunk\n2 Third\n25 last\n");
}

TEST_CASE("keyword lines that make no sense are dropped") {
  const auto keywords = Keywords::parse(
      "26 too-high\n-1 x\n3\n4 \n5 a b\n6 (x)\n7 fine\n8 FINE\n99999999999999999999 x\nx y\n9 " +
      std::string(51, 'k') + "\n");
  CHECK(keywords.format() == "7 fine\n");
}

TEST_CASE("a mailbox has 26 keywords and not one more") {
  Keywords keywords;
  for (int i = 0; i < 26; ++i) CHECK(keywords.add("k" + std::to_string(i)) == static_cast<char>('a' + i));
  CHECK_FALSE(keywords.add("more").has_value());
  CHECK(keywords.add("K25") == 'z');
}

TEST_CASE("flipped bits in keywords leave a file that can be written and read again") {
  each_flipped_bit("0 $Forwarded\n1 NonJunk\n25 last\n", [](const std::string& bad) {
    const auto keywords = Keywords::parse(bad);
    CHECK(Keywords::parse(keywords.format()).format() == keywords.format());
  });
}

TEST_CASE("subscriptions of both versions are read, the second is written") {
  const auto second = Subscriptions::parse(subscriptions_v2);
  REQUIRE(second.names().size() == 3);
  CHECK(second.contains({"Lists", "postrider"}));
  CHECK(second.names()[2] == Subscriptions::Name{"a\001\tb"});
  CHECK(second.format() == subscriptions_v2);
  auto first = Subscriptions::parse("Sent\nLists.postrider\nLists.postrider\n\nbad..name\n");
  CHECK(first.contains({"Lists", "postrider"}));
  CHECK(first.names().size() == 2);
  CHECK_FALSE(first.add({"Sent"}));
  CHECK_FALSE(first.add({"a", ""}));
  CHECK(first.remove({"Sent"}));
  CHECK_FALSE(first.remove({"Sent"}));
  CHECK(first.format() == "V\t2\n\nLists\tpostrider\n");
}

TEST_CASE("flipped bits in subscriptions give names or nothing") {
  each_flipped_bit(subscriptions_v2, [](const std::string& bad) {
    const auto read = Subscriptions::parse(bad);
    CHECK(Subscriptions::parse(read.format()).names() == read.names());
  });
}

TEST_CASE("subscribing changes the file under its lock and keeps what else is in it") {
  TemporaryDirectory dir;
  SystemClock clock;
  auto& files = os::system_files();
  CHECK(Subscriptions::change(files, clock, dir.path(), {"A", "B"}, true) == true);
  CHECK(Subscriptions::change(files, clock, dir.path(), {"A", "B"}, true) == false);
  CHECK(Subscriptions::change(files, clock, dir.path(), {"C"}, true) == true);
  CHECK(Subscriptions::change(files, clock, dir.path(), {"A", "B"}, false) == true);
  CHECK(content_of(dir / "subscriptions") == "V\t2\n\nC\n");
  CHECK(names_in(dir.path()) == std::vector<std::string>{"subscriptions"});
}

TEST_CASE("UIDVALIDITY starts with the time and never repeats") {
  TemporaryDirectory dir;
  ManualClock clock;
  auto& files = os::system_files();
  CHECK(next_uid_validity(files, clock, dir.path()) == 0x65920080U);
  CHECK(names_in(dir.path()) ==
        std::vector<std::string>{"dovecot-uidvalidity", "dovecot-uidvalidity.65920080"});
  CHECK(files.stat(dir / "dovecot-uidvalidity.65920080")->mode == 0444);
  CHECK(next_uid_validity(files, clock, dir.path()) == 0x65920081U);
  CHECK(content_of(dir / "dovecot-uidvalidity") == "65920081");
  // The file is only a cache: the newest marker wins.
  put(dir / "dovecot-uidvalidity", "00000001");
  CHECK(next_uid_validity(files, clock, dir.path()) == 0x65920082U);
  put(dir / "dovecot-uidvalidity", "rubbish!");
  CHECK(next_uid_validity(files, clock, dir.path()) == 0x65920083U);
  REQUIRE(files.unlink(dir / "dovecot-uidvalidity"));
  put(dir / "dovecot-uidvalidity.zzzzzzzz", "");
  put(dir / "dovecot-uidvalidity.6592008", "");
  put(dir / "dovecot-uidvalidity.70000000", "");
  CHECK(next_uid_validity(files, clock, dir.path()) == 0x70000001U);
}

TEST_CASE("maildirsize limits bytes and messages, and is counted anew before it refuses mail on old sums") {
  TemporaryDirectory dir;
  SystemClock clock;
  auto& files = os::system_files();
  CHECK(check_quota(files, clock, dir.path(), 1, 1)->has_value() == false);
  put(dir / "maildirsize", "1000S,10C\n500 3\n+100 +1\n-50 -1\n");
  auto size = check_quota(files, clock, dir.path(), 100, 1);
  REQUIRE((size && *size));
  CHECK((*size)->bytes == 550);
  CHECK((*size)->count == 3);
  CHECK((*size)->has_room(450, 7));
  CHECK_FALSE((*size)->has_room(451, 1));
  CHECK_FALSE((*size)->has_room(1, 8));

  put(dir / "cur/1.M1P1.h,S=200,W=1:2,", "");
  put(dir / ".Sent/new/2.M1P1.h", "12345");
  put(dir / ".Sent/cur/.hidden", "not counted");
  size = check_quota(files, clock, dir.path(), 900, 1);
  REQUIRE((size && *size));
  CHECK((*size)->bytes == 205);
  CHECK((*size)->count == 2);
  CHECK(content_of(dir / "maildirsize") == "1000S,10C\n205 2\n");
  REQUIRE(note_quota(files, dir.path(), -5, -1));
  CHECK(content_of(dir / "maildirsize") == "1000S,10C\n205 2\n-5 -1\n");

  put(dir / "maildirsize", "0S\n" + std::string(6000, '\n'));
  size = check_quota(files, clock, dir.path(), 1, 1);
  REQUIRE((size && *size));
  CHECK((*size)->has_room(1'000'000'000, 1'000'000'000));
  CHECK(content_of(dir / "maildirsize") == "0S\n205 2\n");
}

TEST_CASE("a maildirsize that makes no sense limits nothing, and its numbers cannot overflow") {
  TemporaryDirectory dir;
  SystemClock clock;
  auto& files = os::system_files();
  for (const char* text : {"", "what\n1 1\n", "S\n", "10X\n", "-5S\n"}) {
    put(dir / "maildirsize", text);
    const auto size = check_quota(files, clock, dir.path(), 1, 1);
    CAPTURE(text);
    REQUIRE(size);
    CHECK((!*size || (*size)->has_room(1U << 31, 1)));
  }
  put(dir / "maildirsize", "100S\n9223372036854775807 1\n9223372036854775807 1\nx y\n");
  const auto size = check_quota(files, clock, dir.path(), 1, 1);
  REQUIRE((size && *size));
}
