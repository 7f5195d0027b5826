#include "lib/mailbox/maildir_name.h"

#include <catch2/catch.hpp>

using namespace postrider;
using namespace postrider::mailbox;

TEST_CASE("a name written by Dovecot gives base, sizes and flags") {
  const auto name = parse_maildir_name("1276528487.M364837P9451.kurkku,S=1355,W=1394:2,FSa,X,y");
  CHECK(name.base == "1276528487.M364837P9451.kurkku,S=1355,W=1394");
  CHECK(name.size == 1355U);
  CHECK(name.virtual_size == 1394U);
  CHECK(name.flags == "FSa");
}

TEST_CASE("sizes that are not numbers to the end of their field are no sizes") {
  struct Case {
    const char* name;
    std::optional<std::uint64_t> size, virtual_size;
  };
  const Case cases[] = {
      {"1.M1P1.h", {}, {}},
      {"1.M1P1.h,S=12", 12, {}},
      {"1.M1P1.h,S=12x:2,", {}, {}},
      {"1.M1P1.h,S=:2,", {}, {}},
      {"1.M1P1.h,W=5,S=4:2,", 4, 5},
      {"1.M1P1.h:2,S,S=4", {}, {}},
      {"1.M1P1.h,S=-4", {}, {}},
      {"1.M1P1.h,S=18446744073709551616", {}, {}},
      {"1.M1P1.h,S=18446744073709551615", 18446744073709551615U, {}},
      {"", {}, {}},
      {":2,", {}, {}},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    CHECK(parse_maildir_name(c.name).size == c.size);
    CHECK(parse_maildir_name(c.name).virtual_size == c.virtual_size);
  }
}

TEST_CASE("flags are sorted, unknown letters and later fields are kept") {
  CHECK(with_flags("1.M1P1.h", "", "") == "1.M1P1.h:2,");
  CHECK(with_flags("1.M1P1.h:2,", "S", "") == "1.M1P1.h:2,S");
  CHECK(with_flags("1.M1P1.h:2,SaPq", "FR", "S") == "1.M1P1.h:2,FPRaq");
  CHECK(with_flags("1.M1P1.h:2,S,1234,foo", "S", "") == "1.M1P1.h:2,S,1234,foo");
  CHECK(with_flags("1.M1P1.h:1,weird", "S", "") == "1.M1P1.h:2,S");
  CHECK(with_flags(":2,TT", "", "") == ":2,T");
}

TEST_CASE("arrival order is seconds, then microseconds, then bytes") {
  CHECK(arrived_before("9.M1P1.h", "10.M0P1.h"));
  CHECK(arrived_before("10.M9P1.h", "10.M10P1.h"));
  CHECK(arrived_before("10.M9P1.a", "10.M9P1.b"));
  CHECK_FALSE(arrived_before("10.M9P1.a", "10.M9P1.a"));
  CHECK(arrived_before("hello", "1.M1P1.h"));
}

TEST_CASE("new names never repeat, also when the clock stands still or goes back") {
  ManualClock clock;
  UniqueNames names(clock, "mail.example.org");
  const auto first = names.next(), second = names.next();
  clock.set_wall(clock.wall() - Seconds{3600});
  const auto third = names.next();
  CHECK(arrived_before(first, second));
  CHECK(arrived_before(second, third));
  CHECK(first.starts_with("1704067200.M0P"));
  CHECK(first.ends_with("Q1.mail.example.org"));
}

TEST_CASE("a host name cannot leave its field") {
  CHECK(maildir_host("a/b:c,d") == "a\\057b\\072c\\054d");
  CHECK(maildir_host("\n \x01") == "localhost");
  CHECK(maildir_host("") == "localhost");
}
