#include "lib/address/path.h"

#include <string>

#include <catch2/catch.hpp>

#include "lib/address/domain.h"

using namespace postrider;
using namespace postrider::address;

namespace {

constexpr PathRules lenient{.allow_null = true};
constexpr PathRules strict{.strict = true, .allow_null = true};
constexpr PathRules utf8{.utf8 = true};

std::string parsed(std::string_view text, const PathRules& rules = lenient) {
  const auto path = parse_path(text, rules);
  return path ? "ok:" + path->address.internal() : "refused";
}

}  // namespace

TEST_CASE("paths are read into their unquoted form") {
  struct Case {
    const char* text;
    const char* lenient_result;
    const char* strict_result;
  };
  for (const Case& c : {
           Case{"<user@example.org>", "ok:user@example.org", "ok:user@example.org"},
           {"<\"a b\"@x.org>", "ok:a b@x.org", "ok:a b@x.org"},
           {"<\"a\\\"b\\\\\"@x.org>", "ok:a\"b\\@x.org", "ok:a\"b\\@x.org"},
           {"<\"us\\er\"@x.org>", "ok:user@x.org", "ok:user@x.org"},
           {"<\"a@b\"@x.org>", "ok:a@b@x.org", "ok:a@b@x.org"},
           {"<@one.org,@two.org:user@x.org>", "ok:user@x.org", "ok:user@x.org"},
           {"<user%other@x.org>", "ok:user%other@x.org", "ok:user%other@x.org"},
           {"<host!user@x.org>", "ok:host!user@x.org", "ok:host!user@x.org"},
           {"<user@[192.0.2.1]>", "ok:user@[192.0.2.1]", "ok:user@[192.0.2.1]"},
           {"<user@[IPv6:2001:db8::1]>", "ok:user@[IPv6:2001:db8::1]", "ok:user@[IPv6:2001:db8::1]"},
           {"<postmaster>", "ok:postmaster", "ok:postmaster"},
           {"<>", "ok:", "ok:"},
           // accepted only where Postfix is lenient
           {"user@example.org", "ok:user@example.org", "refused"},
           {"< user@example.org >", "ok:user@example.org", "refused"},
           {"<user>", "ok:user", "refused"},
           {"<user@example.org.>", "ok:user@example.org", "refused"},
           {"<a..b@x.org>", "ok:a..b@x.org", "refused"},
           {"<.a@x.org>", "ok:.a@x.org", "refused"},
           {"<a.@x.org>", "ok:a.@x.org", "refused"},
           {"<a.\"b c\"@x.org>", "ok:a.b c@x.org", "refused"},
           {"<user@under_score.org>", "ok:user@under_score.org", "refused"},
           {"<user@[2001:db8::1]>", "ok:user@[2001:db8::1]", "refused"},
           // accepted nowhere
           {"<@x.org>", "refused", "refused"},
           {"<\"\"@x.org>", "refused", "refused"},
           {"<\"\">", "refused", "refused"},
           {"<user@>", "refused", "refused"},
           {"<user@x.org", "refused", "refused"},
           {"<user@x..org>", "refused", "refused"},
           {"<user@.x.org>", "refused", "refused"},
           {"<user@x.org..>", "refused", "refused"},
           {"<user@192.0.2.1>", "refused", "refused"},
           {"<user@[192.0.2.256]>", "refused", "refused"},
           {"<user@[192.0.2.01]>", "refused", "refused"},
           {"<user@[IPv6:192.0.2.1]>", "refused", "refused"},
           {"<user@[x]>", "refused", "refused"},
           {"<user@[]>", "refused", "refused"},
           {"<user@[192.0.2.1>", "refused", "refused"},
           {"<a@b@x.org>", "refused", "refused"},
           {"<a b@x.org>", "refused", "refused"},
           {"<\"a@b\">", "refused", "refused"},
           {"<\"a\"b@x.org>", "refused", "refused"},
           {"<\"a@x.org>", "refused", "refused"},
           {"<\"a\\", "refused", "refused"},
           {"<@one.org:>", "refused", "refused"},
           {"<@one.org>", "refused", "refused"},
           {"<user@x.org>>", "ok:user@x.org", "ok:user@x.org"},  // the rest is the caller's
           {"<<user@x.org>>", "refused", "refused"},
           {"<user(comment)@x.org>", "refused", "refused"},
           {"<user@-x.org>", "ok:user@-x.org", "refused"},
           {"", "refused", "refused"},
           {"<", "refused", "refused"},
       }) {
    INFO(c.text);
    CHECK(parsed(c.text) == c.lenient_result);
    CHECK(parsed(c.text, strict) == c.strict_result);
  }
}

TEST_CASE("control characters never enter an address") {
  for (int c = 0; c < 0x20; ++c) {
    std::string quoted = "<\"a?b\"@x.org>";
    quoted[3] = static_cast<char>(c);
    std::string escaped = "<\"a\\?b\"@x.org>";
    escaped[4] = static_cast<char>(c);
    std::string plain = "<a?b@x.org>";
    plain[2] = static_cast<char>(c);
    std::string domain = "<ab@x?org>";
    domain[5] = static_cast<char>(c);
    for (const std::string& text : {quoted, escaped, plain, domain}) CHECK(parsed(text) == "refused");
  }
  CHECK(parsed("<\"a\x7f\"@x.org>") == "refused");
}

TEST_CASE("UTF-8 addresses need the SMTPUTF8 rule and must be well formed") {
  CHECK(parsed("<j\xc3\xb6rg@b\xc3\xbc"
               "cher.example>") == "refused");
  CHECK(parsed("<j\xc3\xb6rg@b\xc3\xbc"
               "cher.example>",
               utf8) ==
        "ok:j\xc3\xb6rg@b\xc3\xbc"
        "cher.example");
  CHECK(parsed("<j\xf6rg@x.org>", utf8) == "refused");       // Latin-1
  CHECK(parsed("<\xc0\xaf@x.org>", utf8) == "refused");      // overlong
  CHECK(parsed("<\xed\xa0\x80@x.org>", utf8) == "refused");  // surrogate
  CHECK(parsed("<a\xc2\x85"
               "b@x.org>",
               utf8) == "refused");  // C1 control
  CHECK(parsed("<a\xe2\x80\xae"
               "b@x.org>",
               utf8) == "refused");  // right-to-left override
  CHECK(parsed("<a@x\xe2\x80\xae.org>", utf8) == "refused");
  CHECK(parsed("<a\xc3@x.org>", utf8) == "refused");  // cut short
}

TEST_CASE("lengths are capped") {
  const std::string l64(64, 'a');
  CHECK(parsed("<" + l64 + "@x.org>", strict) == "ok:" + l64 + "@x.org");
  CHECK(parsed("<" + l64 + "a@x.org>", strict) == "refused");
  CHECK(parsed("<" + l64 + "a@x.org>") == "ok:" + l64 + "a@x.org");
  CHECK(parsed("<" + std::string(513, 'a') + "@x.org>") == "refused");
  std::string domain;
  while (domain.size() < 250) domain += "abcd.";
  CHECK(parsed("<a@" + domain + "abcde>") == "ok:a@" + domain + "abcde");
  CHECK(parsed("<a@" + domain + "abcdef>") == "refused");
  CHECK(parsed("<a@" + std::string(64, 'x') + ".org>") == "refused");
  std::string route;
  while (route.size() < 1020) route += "@relay.example,";
  route.back() = ':';
  CHECK(parsed("<" + route + "user@example.org>") == "refused");
}

TEST_CASE("null sender is taken only where it is allowed") {
  CHECK_FALSE(parse_path("<>", PathRules{}).has_value());
  CHECK(parse_path("<>", lenient)->address.empty());
  CHECK_FALSE(parse_path("<@a.org:>", lenient).has_value());
}

TEST_CASE("a path says how many bytes it took") {
  CHECK(parse_path("<a@b.org> SIZE=3", lenient)->size == 9);
  CHECK(parse_path("a@b.org SIZE=3", lenient)->size == 7);
}

TEST_CASE("a whole text is one address") {
  CHECK(parse_address("a@b.org", {})->internal() == "a@b.org");
  CHECK(parse_address("\"a b\"@b.org", {})->text() == "\"a b\"@b.org");
  CHECK(parse_address("<a@b.org>", {})->internal() == "a@b.org");
  CHECK_FALSE(parse_address("a@b.org x", {}).has_value());
  CHECK_FALSE(parse_address("", {}).has_value());
  CHECK(parse_address("", lenient)->empty());
}

TEST_CASE("what is printed reads back as the same address") {
  for (const Address& a : {Address{"user", "x.org"}, Address{"a b", "x.org"}, Address{"a@b", "x.org"},
                           Address{"a\"\\b", "x.org"}, Address{"a..b", "x.org"}, Address{".", "x.org"},
                           Address{";|`$(){}!~*?", "x.org"}, Address{"user", "[192.0.2.1]"}, Address{}}) {
    INFO(a.text());
    CHECK(parse_path(a.path(), strict)->address == a);
    CHECK(Address::from_internal(a.internal()) == a);
  }
  CHECK(Address{"a..b", "x.org"}.text() == "\"a..b\"@x.org");
  CHECK(Address{}.path() == "<>");
}

TEST_CASE("extensions are split at the first delimiter of the set") {
  const auto ext = [](std::string_view local, std::string_view set) {
    const Extension e = split_extension(local, set);
    return std::string(e.user) + (e.present ? "|" + std::string(e.extension) : "");
  };
  CHECK(ext("user+ext", "+") == "user|ext");
  CHECK(ext("user-a+b", "+-") == "user|a+b");
  CHECK(ext("user+", "+") == "user|");
  CHECK(ext("+ext", "+") == "+ext");
  CHECK(ext("user", "+") == "user");
  CHECK(ext("user+ext", "") == "user+ext");
  CHECK(ext("owner-list", "-") == "owner-list");
  CHECK(ext("list-request", "-") == "list-request");
  CHECK(ext("double-bounce", "-") == "double-bounce");
  CHECK(ext("Mailer-Daemon", "-") == "Mailer-Daemon");
  CHECK(ext("owner-list+x", "+") == "owner-list|x");
}

TEST_CASE("domains convert between U-labels and A-labels") {
  CHECK(to_ascii("B\xc3\xbc"
                 "cher.Example")
            .value() == "xn--bcher-kva.example");
  CHECK(to_ascii("Example.ORG").value() == "example.org");
  CHECK(to_unicode("xn--bcher-kva.example") ==
        "b\xc3\xbc"
        "cher.example");
  CHECK(to_unicode("xn--a") == "xn--a");
  CHECK(to_unicode("plain.example") == "plain.example");
  CHECK_FALSE(to_ascii("a\xe2\x80\xae.org").has_value());
  CHECK_FALSE(to_ascii(std::string(2000, 'a')).has_value());
  CHECK(canonical_domain("B\xc3\xbc"
                         "cher.Example.") == "xn--bcher-kva.example");
  CHECK(canonical_domain("EXAMPLE.org") == "example.org");
  CHECK(valid_utf8_domain("xn--bcher-kva.example"));
}

TEST_CASE("parent domains end at the root and is_within respects labels") {
  CHECK(parent_domain("a.b.org") == "b.org");
  CHECK(parent_domain("org") == "");
  CHECK(is_within("a.b.org", "b.org"));
  CHECK(is_within("b.org", "b.org"));
  CHECK_FALSE(is_within("ab.org", "b.org"));
}
