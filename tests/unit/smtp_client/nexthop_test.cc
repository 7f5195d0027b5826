#include "smtp/nexthop.h"

#include <catch2/catch.hpp>

using namespace postrider;
using namespace postrider::smtp_client;
using Kind = Nexthop::Kind;

TEST_CASE("next hops are taken apart") {
  struct Case {
    const char* text;
    bool lmtp;
    Kind kind;
    const char* name;
    int port;
  };
  const Case cases[] = {
      {"example.org", false, Kind::domain, "example.org", 25},
      {"Example.ORG.", false, Kind::domain, "example.org", 25},
      {"example.org:587", false, Kind::domain, "example.org", 587},
      {"example.org:submission", false, Kind::domain, "example.org", 587},
      {"[mail.example.org]", false, Kind::host, "mail.example.org", 25},
      {"[mail.example.org]:2525", false, Kind::host, "mail.example.org", 2525},
      {"[192.0.2.1]:26", false, Kind::host, "192.0.2.1", 26},
      {"192.0.2.1", false, Kind::host, "192.0.2.1", 25},
      {"[2001:db8::1]", false, Kind::host, "2001:db8::1", 25},
      {"[IPv6:2001:db8::1]:26", false, Kind::host, "2001:db8::1", 26},
      {"[::ffff:192.0.2.1]", false, Kind::host, "192.0.2.1", 25},
      {"b\xc3\xbc"
       "cher.example",
       false, Kind::domain, "xn--bcher-kva.example", 25},
      {"inet:host.example:24", true, Kind::host, "host.example", 24},
      {"host.example", true, Kind::host, "host.example", 25},
      {"unix:private/lmtp", true, Kind::socket, "private/lmtp", 0},
      {"unix:/run/dovecot/lmtp", true, Kind::socket, "/run/dovecot/lmtp", 0},
  };
  for (const Case& one : cases) {
    INFO(one.text);
    const Result<Nexthop> parsed = parse_nexthop(one.text, one.lmtp, "smtp");
    REQUIRE(parsed);
    CHECK(parsed->kind == one.kind);
    CHECK(parsed->name == one.name);
    CHECK(parsed->port == one.port);
  }
}

TEST_CASE("malformed next hops are refused") {
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("[a.example"), std::string("[a.example]x"),
        std::string("a.example:"), std::string("a.example:0"), std::string("a.example:70000"),
        std::string("a.example:nonsense"), std::string("a b.example"), std::string("a..example"),
        std::string("a\r\nRSET"), std::string("a\0b", 3), std::string(300, 'a')})
    CHECK_FALSE(parse_nexthop(text, false, "smtp"));
  CHECK_FALSE(parse_nexthop("unix:", true, "24"));
  CHECK_FALSE(parse_nexthop("unix:/" + std::string(200, 'x'), true, "24"));
  CHECK_FALSE(parse_nexthop("unix:/run/lmtp", false, "smtp"));
}
