#include "lib/config/match_list.h"

#include <catch2/catch.hpp>

using namespace postrider;
using namespace postrider::config;
using address::IpAddress;

namespace {

MatchList list(std::vector<std::string> items, MatchKind kind, bool parents = false) {
  Result<MatchList> made = MatchList::make(items, kind, parents);
  REQUIRE(made);
  return *made;
}

bool has(const MatchList& patterns, std::string_view value) { return patterns.matches(value).value(); }
bool has_address(const MatchList& patterns, std::string_view text, std::string_view name = "") {
  return patterns.matches(*IpAddress::parse(text), name).value();
}

}  // namespace

TEST_CASE("text lists match whole values in any case") {
  const MatchList domains = list({"example.org", "localhost"}, MatchKind::text);
  CHECK(has(domains, "Example.ORG"));
  CHECK_FALSE(has(domains, "sub.example.org"));
  CHECK_FALSE(has(domains, "example.or"));
  CHECK_FALSE(has(domains, ""));
}

TEST_CASE("domain lists match subdomains by a dot or by the parent") {
  const MatchList dotted = list({"example.org", ".example.net"}, MatchKind::domain);
  CHECK(has(dotted, "example.org"));
  CHECK_FALSE(has(dotted, "a.example.org"));
  CHECK(has(dotted, "a.b.example.net"));
  CHECK_FALSE(has(dotted, "example.net"));
  const MatchList parents = list({"example.org"}, MatchKind::domain, true);
  CHECK(has(parents, "a.b.EXAMPLE.org"));
  CHECK(has(parents, "example.org"));
  CHECK_FALSE(has(parents, "badexample.org"));
}

TEST_CASE("address lists match networks, IPv4 and IPv6, with and without brackets") {
  const MatchList networks =
      list({"127.0.0.0/8", "192.0.2.1", "[2001:db8::]/32", "[::1]", "2001:db9::/32"}, MatchKind::address);
  CHECK(has_address(networks, "127.1.2.3"));
  CHECK(has_address(networks, "192.0.2.1"));
  CHECK_FALSE(has_address(networks, "192.0.2.2"));
  CHECK(has_address(networks, "2001:db8:1::5"));
  CHECK(has_address(networks, "2001:db9::5"));
  CHECK(has_address(networks, "::1"));
  CHECK_FALSE(has_address(networks, "::2"));
  CHECK(has_address(networks, "::ffff:127.0.0.1"));
}

TEST_CASE("an exclamation mark excludes and the first match decides") {
  const MatchList networks = list({"!10.1.0.0/16", "10.0.0.0/8"}, MatchKind::address);
  CHECK_FALSE(has_address(networks, "10.1.2.3"));
  CHECK(has_address(networks, "10.2.2.3"));
  const MatchList late = list({"10.0.0.0/8", "!10.1.0.0/16"}, MatchKind::address);
  CHECK(has_address(late, "10.1.2.3"));
}

TEST_CASE("client lists match by address or by name") {
  const MatchList clients = list({"192.0.2.0/24", "example.org"}, MatchKind::client, true);
  CHECK(has_address(clients, "192.0.2.9", "unknown"));
  CHECK(has_address(clients, "198.51.100.1", "mx.example.org"));
  CHECK_FALSE(has_address(clients, "198.51.100.1", "mx.example.com"));
}

TEST_CASE("names in a list of addresses match nothing") {
  CHECK_FALSE(has_address(list({"example.org"}, MatchKind::address), "192.0.2.1", "example.org"));
}

TEST_CASE("a network with host bits is refused with the right one named") {
  const Result<MatchList> bad = MatchList::make({"192.0.2.1/24"}, MatchKind::address);
  REQUIRE_FALSE(bad);
  CHECK(bad.error().is(Trouble::configuration));
  CHECK(bad.error().text().find("192.0.2.0/24") != std::string::npos);
  CHECK_FALSE(MatchList::make({"/etc/domains"}, MatchKind::text));
  CHECK_FALSE(MatchList::make({"!"}, MatchKind::text));
}

TEST_CASE("tables are asked for the name and its parents in Postfix's order") {
  std::vector<std::string> asked;
  const auto lookup = [&](std::string_view table, std::string_view key) -> Result<bool> {
    asked.push_back(std::string(table) + " " + std::string(key));
    return false;
  };
  CHECK_FALSE(*list({"hash:/D"}, MatchKind::domain).matches("A.Example.org", lookup));
  CHECK(asked == std::vector<std::string>{"hash:/D a.example.org", "hash:/D .example.org", "hash:/D .org"});
  asked.clear();
  CHECK_FALSE(*list({"hash:/D"}, MatchKind::domain, true).matches("a.example.org", lookup));
  CHECK(asked == std::vector<std::string>{"hash:/D a.example.org", "hash:/D example.org", "hash:/D org"});
  asked.clear();
  CHECK_FALSE(*list({"hash:/D", "proxy:mysql:/x"}, MatchKind::text).matches("a.b", lookup));
  CHECK(asked == std::vector<std::string>{"hash:/D a.b", "proxy:mysql:/x a.b"});
  asked.clear();
  CHECK_FALSE(*list({"cidr:/D"}, MatchKind::address).matches(*IpAddress::parse("192.0.2.1"), "x.y", lookup));
  CHECK(asked == std::vector<std::string>{"cidr:/D 192.0.2.1"});
}

TEST_CASE("an answer decides, and patterns behind the table are still tried") {
  const MatchList domains = list({"hash:/a", "!hash:/b", "x.example"}, MatchKind::text);
  MatchRun run = domains.run("x.example");
  REQUIRE(run.question());
  CHECK(run.question()->table == "hash:/a");
  run.answer(false);
  CHECK(run.question()->table == "hash:/b");
  run.answer(false);
  CHECK_FALSE(run.question());
  CHECK(run.matched());
  MatchRun excluded = domains.run("x.example");
  excluded.answer(false);
  excluded.answer(true);
  CHECK_FALSE(excluded.question());
  CHECK_FALSE(excluded.matched());
  CHECK(domains.tables() == std::vector<std::string>{"hash:/a", "hash:/b"});
}

TEST_CASE("a table that cannot be asked is an error, not an answer") {
  const auto lookup = [](std::string_view, std::string_view) -> Result<bool> {
    return fail(Trouble::temporary, "down");
  };
  CHECK_FALSE(list({"hash:/a", "x"}, MatchKind::text).matches("x", lookup));
  CHECK(*list({"x", "hash:/a"}, MatchKind::text).matches("x", lookup));
}

TEST_CASE("the style of subdomains is a parameter's own") {
  CHECK(parents_match({"relay_domains", "mynetworks"}, "relay_domains"));
  CHECK_FALSE(parents_match({"!relay_domains", "mynetworks"}, "relay_domains"));
  CHECK_FALSE(parents_match({}, "relay_domains"));
}
