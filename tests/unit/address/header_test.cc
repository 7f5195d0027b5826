#include "lib/address/header.h"

#include <string>

#include <catch2/catch.hpp>

using namespace postrider::address;

namespace {

// "name|address" of each, joined by ';', malformed parts as "!text".
std::string list(std::string_view text) {
  const AddressList parsed = parse_address_list(text, 1000);
  std::string out;
  for (const HeaderMailbox& box : parsed.mailboxes) {
    if (!out.empty()) out += "; ";
    if (!box.group.empty()) out += box.group + ": ";
    if (!box.name.empty()) out += box.name + "|";
    out += box.address.empty() ? "<>" : box.address.internal();
  }
  for (const auto bad : parsed.malformed) out += " !" + std::string(bad);
  return out;
}

}  // namespace

TEST_CASE("address lists are read as people write them") {
  struct Case {
    const char* text;
    const char* result;
  };
  for (const Case& c : {
           Case{"a@x.org", "a@x.org"},
           {"a@x.org, b@y.org", "a@x.org; b@y.org"},
           {"Ann Lee <a@x.org>,\n\t\"Bob, Jr.\" <b@y.org>", "Ann Lee|a@x.org; Bob, Jr.|b@y.org"},
           {"John Q. Public <jq@x.org>", "John Q. Public|jq@x.org"},
           {"jq@x.org (John (Q) Public)", "jq@x.org"},
           {"(x) a (y) @ (z) x . org", "a@x.org"},
           {"\"a b\"@x.org", "a b@x.org"},
           {"<@r1.org,@r2.org:a@x.org>", "a@x.org"},
           {"team: a@x.org, Bo <b@x.org>; c@x.org", "team: a@x.org; team: Bo|b@x.org; c@x.org"},
           {"undisclosed-recipients:;", ""},
           {"empty:;, a@x.org", "a@x.org"},
           {"", ""},
           {" ,, ,", ""},
           {"root", "root"},
           {"root, <daemon>", "root; daemon"},
           {"<>", "<>"},
           {"a@x.org; b@y.org", "a@x.org; b@y.org"},
           {"a@x.org b@y.org", "a@x.org; b@y.org"},
           {"a@x.org <a@x.org>", "a@x.org|a@x.org"},
           {"A <a@x.org> B <b@x.org>", "A|a@x.org; B|b@x.org"},
           {"<<a@x.org>>", "a@x.org"},
           {"a@[192.0.2.1]", "a@[192.0.2.1]"},
           {"j\xc3\xb6@b\xc3\xbc"
            "cher.example",
            "j\xc3\xb6@b\xc3\xbc"
            "cher.example"},
           {"a@x.org.", "a@x.org"},
           {"\"\\\"q\\\\\" <a@x.org>", "\"q\\|a@x.org"},
           // not addresses
           {"John Doe", " !John Doe"},
           {"John Doe, a@x.org", "a@x.org !John Doe"},
           {"a@x.org bob", "a@x.org !a@x.org bob"},
           {"a@x.org, \"unterminated", "a@x.org !\"unterminated"},
           {"a@x.org (unterminated, b@x.org", "a@x.org !a@x.org (unterminated, b@x.org"},
           {"a@, b@x.org", "b@x.org !a@"},
           {"<a b@x.org>, b@x.org", "b@x.org !<a b@x.org>"},
           {"@x.org", " !@x.org"},
           {"\"\"@x.org", " !\"\"@x.org"},
           {"\"a@b\"", " !\"a@b\""},
           {"a@192.0.2.1", " !a@192.0.2.1"},
           {"<a@x.org", " !<a@x.org"},
           {"a\x01@x.org", " !a\x01@x.org"},
           {"j\xf6@x.org", " !j\xf6@x.org"},
       }) {
    INFO(c.text);
    CHECK(list(c.text) == c.result);
  }
}

TEST_CASE("spans name the bytes to replace") {
  const std::string text = "Ann <@r.org:ann@x.org>, (c) bob @ y . org (d), root";
  const auto parsed = parse_address_list(text, 10);
  REQUIRE(parsed.mailboxes.size() == 3);
  const auto span = [&](std::size_t i) {
    return text.substr(parsed.mailboxes[i].begin, parsed.mailboxes[i].end - parsed.mailboxes[i].begin);
  };
  CHECK(span(0) == "ann@x.org");
  CHECK(span(1) == "bob @ y . org");
  CHECK(span(2) == "root");
}

TEST_CASE("hostile lists stay linear and capped") {
  const std::size_t n = 1'000'000;
  CHECK(parse_address_list(std::string(n, '('), 10).mailboxes.empty());
  CHECK(parse_address_list(std::string(n, '<'), 10).mailboxes.empty());
  CHECK(parse_address_list(std::string(n, '"'), 10).mailboxes.empty());
  CHECK(parse_address_list(std::string(n, ','), 10).malformed.empty());
  CHECK(parse_address_list(std::string(n, '.'), 10).mailboxes.empty());
  std::string nested;
  for (std::size_t i = 0; i < 100; ++i) nested += "(";
  for (std::size_t i = 0; i < 100; ++i) nested += ")";
  CHECK(parse_address_list(nested + " a@x.org", 10).mailboxes.size() == 1);
  CHECK(parse_address_list("(" + nested + ") a@x.org", 10).mailboxes.empty());
  std::string many = std::string(100'000, 'g') + ": ";
  for (std::size_t i = 0; i < 100'000; ++i) many += "a@x.org,";
  const auto parsed = parse_address_list(many, 100);
  CHECK(parsed.mailboxes.size() == 100);
  CHECK(parsed.truncated);
  CHECK(parsed.mailboxes[0].group.size() == 128);
}

TEST_CASE("mailboxes are written with a safe display name") {
  const Address ann{"ann", "x.org"};
  CHECK(format_mailbox("Ann Lee", ann) == "Ann Lee <ann@x.org>");
  CHECK(format_mailbox("Lee, Ann", ann) == "\"Lee, Ann\" <ann@x.org>");
  CHECK(format_mailbox("a\"b\\c", ann) == "\"a\\\"b\\\\c\" <ann@x.org>");
  CHECK(format_mailbox("evil\r\nBcc: x", ann) == "\"evilBcc: x\" <ann@x.org>");
  CHECK(format_mailbox("", ann) == "ann@x.org");
  CHECK(format_mailbox("", Address{}) == "<>");
}
