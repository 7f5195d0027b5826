#include "lib/dns/message.h"

#include <catch2/catch.hpp>

#include "tests/unit/dns/packet.h"

using namespace postrider;
using namespace postrider::dns;
using namespace postrider::dns::test;

namespace {
Answer parsed(const std::string& packet, Type type) {
  const Result<Answer> answer = parse_response(packet, type);
  if (!answer) FAIL(answer.error().text());
  return *answer;
}
}  // namespace

TEST_CASE("addresses are read, other types and other owners are not") {
  const Answer answer = parsed(response("example.org", 1,
                                        {a("example.org", "192.0.2.1", 60), a("other.org", "192.0.2.9"),
                                         mx("example.org", 1, "x.org"), a("EXAMPLE.org", "192.0.2.2")}),
                               Type::a);
  CHECK(answer.found());
  REQUIRE(answer.records.size() == 2);
  CHECK(answer.records[0].ip.text() == "192.0.2.1");
  CHECK(answer.records[1].ip.text() == "192.0.2.2");
  CHECK(answer.name == "example.org");
  CHECK(answer.ttl == Seconds{60});
}

TEST_CASE("an IPv4-mapped AAAA record is the IPv4 address") {
  const std::string data = std::string(10, '\0') + "\xff\xff" + std::string("\xc0\x00\x02\x01", 4);
  const Answer answer =
      parsed(response("m.example", 28, {record(wire_name("m.example"), 28, data)}), Type::aaaa);
  REQUIRE(answer.records.size() == 1);
  CHECK(answer.records[0].ip.is_v4());
}

TEST_CASE("aliases are followed in any order and name the owner") {
  const Answer answer = parsed(response("www.example", 1,
                                        {a("c.example", "192.0.2.3"), named("b.example", 5, "c.example"),
                                         named("www.example", 5, "b.example")}),
                               Type::a);
  REQUIRE(answer.records.size() == 1);
  CHECK(answer.name == "c.example");
}

TEST_CASE("an alias that goes round ends as malformed") {
  const auto answer = parse_response(
      response("a.example", 1, {named("a.example", 5, "b.example"), named("b.example", 5, "a.example")}),
      Type::a);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().is(Trouble::peer));
}

TEST_CASE("a null MX is a record with the root as host") {
  const Answer answer = parsed(response("example.org", 15, {mx("example.org", 0, "")}), Type::mx);
  REQUIRE(answer.records.size() == 1);
  CHECK(answer.records[0].host.empty());
  CHECK(answer.records[0].preference == 0);
}

TEST_CASE("MX hosts with control characters, dots in labels or no syntax are left out and counted") {
  const std::string evil[] = {std::string("\x03"
                                          "a\nb\x03org\0",
                                          9),
                              std::string("\x03"
                                          "a.b\x03org\0",
                                          9),
                              std::string("\x04"
                                          "a b\0\x03org\0",
                                          10),
                              wire_name("192.0.2.1")};
  std::vector<std::string> answers{mx("example.org", 10, "good.example.org")};
  for (const std::string& name : evil) answers.push_back(record(wire_name("example.org"), 15, u16(5) + name));
  const Answer answer = parsed(response("example.org", 15, answers), Type::mx);
  REQUIRE(answer.records.size() == 1);
  CHECK(answer.records[0].host == "good.example.org");
  CHECK(answer.invalid == 4);
  CHECK(answer.found());
}

TEST_CASE("truncated and oversized RDATA is left out") {
  const std::string owner = wire_name("example.org");
  const Answer mxs =
      parsed(response("example.org", 15,
                      {record(owner, 15, ""), record(owner, 15, "\x01"), record(owner, 15, u16(1)),
                       record(owner, 15, u16(1) + wire_name("a.b") + "junk")}),
             Type::mx);
  CHECK(mxs.records.empty());
  CHECK(mxs.invalid == 4);
  const Answer addresses =
      parsed(response("example.org", 1, {record(owner, 1, "abc"), record(owner, 1, "abcde")}), Type::a);
  CHECK(addresses.records.empty());
  const Answer texts = parsed(response("example.org", 16,
                                       {record(owner, 16,
                                               "\x05"
                                               "abc"),
                                        record(owner, 16,
                                               std::string("\x02"
                                                           "ab\0\x01"
                                                           "c",
                                                           6))}),
                              Type::txt);
  REQUIRE(texts.records.size() == 1);
  CHECK(texts.records[0].text == "abc");
}

TEST_CASE("a list of 10,000 MX records is read up to the cap") {
  // As many as fit in 64 KiB with a pointer to the question's name.
  std::string packet =
      u16(1) + u16(0x8180) + u16(1) + u16(4000) + u16(0) + u16(0) + wire_name("x.org") + u16(15) + u16(1);
  for (int i = 0; i < 4000; ++i) packet += record("\xc0\x0c", 15, u16(static_cast<unsigned>(i)) + "\xc0\x0c");
  const Answer answer = parsed(packet, Type::mx);
  CHECK(answer.records.size() == max_records);
  CHECK(answer.cut_off);
}

TEST_CASE("compression pointers that loop or lead forward are malformed") {
  const std::string start = u16(1) + u16(0x8180) + u16(1) + u16(1) + u16(0) + u16(0);
  CHECK_FALSE(parse_response(start + "\xc0\x0c" + u16(1) + u16(1), Type::a));
  CHECK_FALSE(parse_response(start + "\xc0\x20" + u16(1) + u16(1) + std::string(40, '\0'), Type::a));
  CHECK_FALSE(parse_response(start + "\x80" + "abc", Type::a));
}

TEST_CASE("a packet cut anywhere is an error or a smaller answer, never more") {
  const std::string whole = response(
      "example.org", 15, {mx("example.org", 1, "a.example.org"), mx("example.org", 2, "b.example.org")});
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_FALSE(parse_response(std::string_view(whole).substr(0, size), Type::mx));
}
