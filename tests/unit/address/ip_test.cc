#include "lib/address/ip.h"

#include <catch2/catch.hpp>

using namespace postrider::address;

namespace {
IpAddress ip(std::string_view text) { return IpAddress::parse_bracketed(text).value(); }
}  // namespace

TEST_CASE("addresses print as they parse") {
  for (const char* text : {"192.0.2.1", "2001:db8::1", "::1", "::", "0.0.0.0"})
    CHECK(IpAddress::parse(text)->text() == text);
  CHECK(ip("[2001:DB8::1]").text() == "2001:db8::1");
  CHECK(ip("[IPv6:2001:db8::1]").literal() == "[IPv6:2001:db8::1]");
  CHECK(ip("[192.0.2.1]").literal() == "[192.0.2.1]");
  CHECK(ip("192.0.2.1").reverse_name() == "1.2.0.192.in-addr.arpa");
  CHECK(ip("2001:db8::1").reverse_name() ==
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

TEST_CASE("malformed addresses are refused") {
  for (const char* text :
       {"", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "0x1.2.3.4",
        ":::", "1::2::3", "fe80::1%eth0", "[::1", "::1]", "[IPv6:1.2.3.4]", "IPv6:::1", "[]"})
    CHECK_FALSE(IpAddress::parse_bracketed(text).has_value());
  CHECK_FALSE(IpAddress::parse("[::1]").has_value());
  CHECK_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0x", 9)).has_value());
}

TEST_CASE("an IPv4-mapped address is the IPv4 address") {
  CHECK(ip("::ffff:192.0.2.1") == ip("192.0.2.1"));
  CHECK(ip("::ffff:192.0.2.1").is_v4());
  CHECK(Network::parse("192.0.2.0/24")->contains(ip("[::ffff:192.0.2.7]")));
  CHECK(Network::parse("[::ffff:127.0.0.0]/104")->text() == "127.0.0.0/8");
  CHECK_FALSE(Network::parse("[::ffff:127.0.0.0]/95").has_value());
  CHECK_FALSE(Network::parse("[::]/0")->contains(ip("192.0.2.1")));
}

TEST_CASE("networks contain exactly their addresses") {
  CHECK(Network::parse("127.0.0.0/8")->contains(ip("127.255.255.255")));
  CHECK_FALSE(Network::parse("127.0.0.0/8")->contains(ip("128.0.0.0")));
  CHECK(Network::parse("192.0.2.128/25")->contains(ip("192.0.2.200")));
  CHECK_FALSE(Network::parse("192.0.2.128/25")->contains(ip("192.0.2.127")));
  CHECK(Network::parse("0.0.0.0/0")->contains(ip("8.8.8.8")));
  CHECK(Network::parse("[::1]/128")->contains(ip("::1")));
  CHECK(Network::parse("::1")->contains(ip("::1")));
  CHECK(Network::parse("[fe80::]/10")->contains(ip("febf::1")));
  CHECK_FALSE(Network::parse("[fe80::]/10")->contains(ip("fec0::1")));
  CHECK(Network::parse("192.0.2.1")->bits() == 32);
  CHECK(Network::around(ip("192.0.2.77"), 24).text() == "192.0.2.0/24");
  CHECK(Network::around(ip("2001:db8::7"), 64).text() == "[2001:db8::]/64");
}

TEST_CASE("bad networks name what is wrong") {
  CHECK(Network::parse("192.0.2.1/24").error().text() ==
        "non-null host address bits in \"192.0.2.1/24\", perhaps you should use \"192.0.2.0/24\" instead");
  for (const char* text : {"192.0.2.0/33", "::/129", "192.0.2.0/", "192.0.2.0/-1", "[::1", "x/8", "10/8", ""})
    CHECK_FALSE(Network::parse(text).has_value());
}

TEST_CASE("addresses have one order") {
  CHECK(ip("1.2.3.4") < ip("1.2.3.5"));
  CHECK(ip("255.255.255.255") < ip("::"));
  CHECK(ip("127.0.0.1").is_loopback());
  CHECK(ip("::1").is_loopback());
  CHECK_FALSE(ip("1::1").is_loopback());
  CHECK(ip("::").is_any());
}
