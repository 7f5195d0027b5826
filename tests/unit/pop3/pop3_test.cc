#include <string>

#include <catch2/catch.hpp>

#include "lib/pop3/command.h"
#include "lib/pop3/reply.h"

using namespace postrider::pop3;
using namespace std::literals;

TEST_CASE("POP3 command lines split into verb and arguments as sent") {
  const auto pass = split_command("pAsS  two words ");
  CHECK(pass->verb == Verb::pass);
  CHECK(pass->arguments == " two words ");
  CHECK(split_command("STAT")->arguments.empty());
  CHECK(split_command("GET / HTTP/1.1")->verb == Verb::unknown);
  CHECK(split_command("")->verb == Verb::unknown);
  CHECK(verb_name(Verb::top) == "TOP");
  CHECK(split_command("PASS p\xc3\xa4ss")->arguments == "p\xc3\xa4ss");
}

TEST_CASE("null bytes, control characters and broken UTF-8 in POP3 commands are refused") {
  for (const std::string_view bad :
       {"USER a\0b"sv, "USER a\nb"sv, "PASS \xff"sv, "USER \x1b[2J"sv, "RETR\t1"sv, "USER a\xe2\x80\xae"sv})
    CHECK_FALSE(split_command(bad).has_value());
}

TEST_CASE("message numbers are positive and fit") {
  CHECK(parse_number_argument("1").value() == 1);
  CHECK(parse_number_argument(" 12 ").value() == 12);
  for (const char* bad : {"", "0", "-1", "+1", "1 2", "4294967296", "x", "1x"})
    CHECK(parse_number_argument(bad).error() == "Invalid message number");
  CHECK_FALSE(parse_optional_number(" ")->has_value());
  CHECK(parse_optional_number("3")->value() == 3);
  CHECK_FALSE(parse_optional_number("x").has_value());
}

TEST_CASE("TOP takes a number and a count that may be nought") {
  CHECK(parse_top("1 0")->lines == 0);
  CHECK(parse_top("2 10")->number == 2);
  for (const char* bad : {"", "1", "0 1", "1 -1", "1 2 3", "1 4294967296"})
    CHECK_FALSE(parse_top(bad).has_value());
}

TEST_CASE("APOP and AUTH arguments are checked") {
  const auto apop = parse_apop("mr rose C4C9334BAC560ecc979e58001b3e22fb");
  CHECK(apop->user == "mr rose");
  CHECK(apop->digest == "c4c9334bac560ecc979e58001b3e22fb");
  for (const char* bad : {"", "mrose", " c4c9334bac560ecc979e58001b3e22fb", "mrose c4c9",
                          "mrose zzc9334bac560ecc979e58001b3e22fb"})
    CHECK_FALSE(parse_apop(bad).has_value());
  CHECK(parse_auth("")->mechanism.empty());
  CHECK(parse_auth("plain")->mechanism == "PLAIN");
  CHECK_FALSE(parse_auth("plain")->initial.has_value());
  CHECK(parse_auth("PLAIN AGEAYg==")->initial == "AGEAYg==");
  CHECK(parse_auth("PLAIN =")->initial == "");
  for (const char* bad : {"PLAIN a b", "PL/AIN", "ABCDEFGHIJKLMNOPQRSTU"})
    CHECK_FALSE(parse_auth(bad).has_value());
  CHECK_FALSE(parse_credential("").has_value());
  CHECK(parse_credential(" x").value() == " x");
  CHECK(parse_nothing(" ").has_value());
  CHECK_FALSE(parse_nothing("x").has_value());
}

TEST_CASE("POP3 replies stay one line below 512 bytes") {
  CHECK(ok() == "+OK\r\n");
  CHECK(ok("ready") == "+OK ready\r\n");
  CHECK(err("locked", "IN-USE") == "-ERR [IN-USE] locked\r\n");
  CHECK(err("a\r\n+OK b") == "-ERR a??+OK b\r\n");
  CHECK(err(std::string(1000, 'x')).size() <= 512);
  CHECK(listing_line(1, "120") == "1 120\r\n");
  CHECK(challenge("") == "+ \r\n");
}

TEST_CASE("unique ids are what RFC 1939 allows") {
  CHECK(valid_uidl("0000000100000002"));
  CHECK(valid_uidl(std::string(70, '~')));
  for (const std::string& bad : {std::string(), std::string(71, 'x'), "a b"s, "a\x7f"s, "\xc3\xa4"s})
    CHECK_FALSE(valid_uidl(bad));
}

TEST_CASE("TOP is cut after the header and so many lines, wherever chunks end") {
  struct Case {
    std::string_view content;
    std::uint64_t lines;
    std::string_view top;
  };
  for (const Case& c : {Case{"A: 1\nB: 2\n\none\ntwo\nthree\n", 0, "A: 1\nB: 2\n\n"},
                        {"A: 1\nB: 2\n\none\ntwo\nthree\n", 2, "A: 1\nB: 2\n\none\ntwo\n"},
                        {"A: 1\nB: 2\n\none\n", 9, "A: 1\nB: 2\n\none\n"},
                        {"A: 1\r\n\r\none\r\ntwo\r\n", 1, "A: 1\r\n\r\none\r\n"},
                        {"A: 1\n", 0, "A: 1\n"},
                        {"\none\ntwo", 1, "\none\n"},
                        {"\none", 1, "\none"}}) {
    for (const std::size_t chunk : {1U, 2U, 3U, 100U}) {
      TopCutter cutter(c.lines);
      std::string out;
      for (std::size_t at = 0; at < c.content.size() && !cutter.done(); at += chunk) {
        const std::string_view piece = c.content.substr(at, chunk);
        out += piece.substr(0, cutter.feed(piece));
      }
      CHECK(out == c.top);
    }
  }
}
