#include "smtp/targets.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

using namespace postrider;
using namespace postrider::smtp_client;

namespace {

Target target(const char* ip, std::uint16_t preference) {
  Target out;
  out.host = "h";
  out.ip = *address::IpAddress::parse(ip);
  out.port = 25;
  out.preference = preference;
  return out;
}

std::string order(const std::vector<Target>& targets) {
  std::string out;
  for (const Target& one : targets) out += one.ip.text() + " ";
  return out;
}

std::mt19937_64 seeded(std::uint64_t seed) { return std::mt19937_64{seed}; }

}  // namespace

TEST_CASE("servers are tried by preference, equal ones in any order") {
  const std::vector<Target> all{target("192.0.2.3", 20), target("192.0.2.1", 10), target("192.0.2.2", 10),
                                target("192.0.2.4", 30)};
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    auto random = seeded(seed);
    seen.insert(order(in_order(all, {}, random)));
  }
  CHECK(seen == std::set<std::string>{"192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 ",
                                      "192.0.2.2 192.0.2.1 192.0.2.3 192.0.2.4 "});
}

TEST_CASE("without shuffling the order of the records stays") {
  auto random = seeded(1);
  const Ordering plain{.preference = AddressPreference::any, .randomize = false, .balance = true, .limit = 0};
  std::vector<Target> all;
  for (int i = 1; i < 60; ++i) all.push_back(target(("192.0.2." + std::to_string(i)).c_str(), 5));
  CHECK(order(in_order(all, plain, random)) == order(all));
}

TEST_CASE("the preferred protocol comes first within a preference, never before a better one") {
  auto random = seeded(1);
  const std::vector<Target> all{target("192.0.2.1", 10), target("2001:db8::1", 10), target("192.0.2.2", 20),
                                target("2001:db8::2", 20)};
  const Ordering v6{AddressPreference::ipv6, true, true, 0};
  CHECK(order(in_order(all, v6, random)) == "2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2 ");
  const Ordering v4{AddressPreference::ipv4, true, true, 0};
  CHECK(order(in_order(all, v4, random)) == "192.0.2.1 2001:db8::1 192.0.2.2 2001:db8::2 ");
}

TEST_CASE("the address limit leaves one address of the other protocol") {
  auto random = seeded(1);
  std::vector<Target> all;
  for (int i = 1; i < 6; ++i) all.push_back(target(("2001:db8::" + std::to_string(i)).c_str(), 10));
  all.push_back(target("192.0.2.1", 10));
  const Ordering ordering{AddressPreference::ipv6, false, true, 3};
  CHECK(order(in_order(all, ordering, random)) == "2001:db8::1 2001:db8::2 192.0.2.1 ");
  const Ordering unbalanced{AddressPreference::ipv6, false, false, 3};
  CHECK(order(in_order(all, unbalanced, random)) == "2001:db8::1 2001:db8::2 2001:db8::3 ");
}

TEST_CASE("servers that are not preferred to ourselves are left out") {
  const std::vector<address::IpAddress> own{*address::IpAddress::parse("192.0.2.2")};
  bool self = false;
  const std::vector<Target> all{target("192.0.2.1", 10), target("192.0.2.2", 20), target("192.0.2.3", 20),
                                target("192.0.2.4", 30)};
  CHECK(order(before_self(all, own, self)) == "192.0.2.1 ");
  CHECK(self);
  CHECK(before_self({target("192.0.2.2", 5), target("192.0.2.1", 5)}, own, self).empty());
  CHECK(order(before_self({target("192.0.2.9", 5)}, own, self)) == "192.0.2.9 ");
  CHECK_FALSE(self);
  for (const char* ip : {"127.0.0.1", "127.5.5.5", "::1", "0.0.0.0", "::"}) {
    CHECK(before_self({target(ip, 5)}, {}, self).empty());
    CHECK(self);
  }
}
