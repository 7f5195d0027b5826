#include "lib/mailbox/uidlist.h"

#include <catch2/catch.hpp>

#include <string>

using namespace postrider;
using namespace postrider::mailbox;

namespace {
// As Dovecot 2.3.19 wrote it.
const char* const dovecot_list =
    "3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n"
    "25006 :1276528487.M364837P9451.kurkku,S=1355,W=1394:2,\n"
    "25017 W2481 :1276533073.M242911P3632.kurkku\n"
    "25021 W123 P00a:b O7 Xwhat :1276533074.M1P3632.kurkku,S=5\n";
}  // namespace

TEST_CASE("a list that Dovecot wrote is understood and written back") {
  const auto list = Uidlist::parse(dovecot_list);
  REQUIRE(list);
  CHECK(list->uid_validity() == 1275660208U);
  CHECK(list->next_uid() == 25022U);
  CHECK_FALSE(list->torn());
  REQUIRE(list->records().size() == 3);
  CHECK(list->records()[0].base == "1276528487.M364837P9451.kurkku,S=1355,W=1394");
  CHECK(uid_field(list->records()[1].fields, 'W') == "2481");
  CHECK(uid_field(list->records()[2].fields, 'P') == "00a:b");
  CHECK(uid_field(list->records()[2].fields, 'Q').empty());
  // The writer cuts names at ':'; everything else is byte for byte what was read.
  std::string expected = dovecot_list;
  expected.erase(expected.find(":2,"), 3);
  CHECK(list->format() == expected);
}

TEST_CASE("unknown header fields survive") {
  const auto list = Uidlist::parse("3 V1 G00 Pxyz Zunknown N5\n");
  REQUIRE(list);
  CHECK(list->format() == "3 V1 N5 G00 Pxyz Zunknown\n");
}

TEST_CASE("version 1 and Courier's list are read and become version 3") {
  auto list = Uidlist::parse("1 1116186190 214\n210 1116186190.M1P1.h\n213 1116186191.M1P1.h,S=3:2,S\n");
  REQUIRE(list);
  CHECK(list->torn());
  list->set_guid("0123");
  CHECK(list->format() == "3 V1116186190 N214 G0123\n210 :1116186190.M1P1.h\n213 :1116186191.M1P1.h,S=3\n");
}

TEST_CASE("appended records move the next UID although the header is old") {
  const auto list = Uidlist::parse("3 V1 N5 G0\n4 :a\n9 :b\n");
  REQUIRE(list);
  CHECK(list->next_uid() == 10U);
}

TEST_CASE("a torn last line is dropped and asks for a rewrite") {
  for (const char* tail : {"5", "5 ", "5 :b", "5 W12 :name-without-newlin"}) {
    const auto list = Uidlist::parse(std::string("3 V1 N5 G0\n4 :a\n") + tail);
    REQUIRE(list);
    CHECK(list->torn());
    CHECK(list->records().size() == 1);
  }
  const auto zeros = Uidlist::parse(std::string("3 V1 N5 G0\n4 :a\n") + std::string(100, '\0'));
  REQUIRE(zeros);
  CHECK(zeros->records().size() == 1);
}

TEST_CASE("a list that breaks its rules is refused whole") {
  const std::string bad[] = {
      "",
      "\n",
      "3\n",
      "3 V0 N1 G0\n",
      "3 V1 N0 G0\n",
      "3 V1\n",
      "3 V4294967296 N1\n",
      "2 V1 N1\n",
      "hello\n",
      "3 V1 N5 G0\nx :a\n",
      "3 V1 N5 G0\n0 :a\n",
      "3 V1 N5 G0\n4294967295 :a\n",
      "3 V1 N5 G0\n4294967296 :a\n",
      "3 V1 N5 G0\n4 a\n",
      "3 V1 N5 G0\n4 :\n",
      "3 V1 N5 G0\n4 ::2,S\n",
      "3 V1 N5 G0\n4 :a/b\n",
      "3 V1 N5 G0\n4 :..\n",
      std::string("3 V1 N5 G0\n4 :a\0b\n", 19),
      "3 V1 N5 G0\n4 :a\n4 :b\n",
      "3 V1 N5 G0\n4 :a\n3 :b\n",
      "3 V1 N5 G0\n\n",
      "3 V1 N5 G0\n4 W1\n",
      "1 5\n",
  };
  for (const auto& text : bad) {
    CAPTURE(text);
    CHECK_FALSE(Uidlist::parse(text).has_value());
  }
}

TEST_CASE("every flipped bit gives a list that keeps the rules, or an error") {
  const std::string good = dovecot_list;
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    const auto list = Uidlist::parse(bad);
    if (!list) continue;
    std::uint32_t last = 0;
    for (const auto& record : list->records()) {
      CHECK(record.uid > last);
      CHECK(record.base.find('/') == std::string_view::npos);
      last = record.uid;
    }
    CHECK(list->next_uid() > last);
    const auto again = Uidlist::parse(list->format());
    REQUIRE(again);
    CHECK(again->format() == list->format());
  }
}

TEST_CASE("UIDs are given in order until there are no more") {
  auto list = Uidlist::fresh(7, "00");
  CHECK(list.add("a") == 1U);
  CHECK(list.add("b") == 2U);
  list.set_fields(1, with_uid_field(list.records()[1].fields, 'W', "10"));
  list.set_fields(1, with_uid_field(list.records()[1].fields, 'S', "9"));
  list.set_fields(1, with_uid_field(list.records()[1].fields, 'W', "11"));
  CHECK(list.format() == "3 V7 N3 G00\n1 :a\n2 S9 W11 :b\n");
  const std::uint32_t gone[] = {1, 5};
  list.remove(gone);
  CHECK(list.format() == "3 V7 N3 G00\n2 S9 W11 :b\n");

  auto full = Uidlist::parse("3 V1 N4294967294 G0\n");
  REQUIRE(full);
  CHECK(full->add("last") == 4294967294U);
  CHECK_FALSE(full->add("none").has_value());
}
