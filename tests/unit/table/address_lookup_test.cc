// The searches, seen through a table that remembers what it was asked.
#include "lib/table/address_lookup.h"

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "tests/unit/table/scratch.h"

using namespace postrider;
using namespace postrider::table;

namespace {

const AddressRules rules{.delimiters = "+",
                         .is_local = [](std::string_view d) { return d == "local.example"; }};

using Search = std::function<Found(const Maps&)>;

// The keys of a search that finds nothing, in order: each is found by making it the only entry, and
// what remains is asked again with that entry taken for the first.
std::string keys_of(const Search& search, const std::vector<std::string>& candidates) {
  // With all candidates in the table the search stops at its first; leaving that out shows the second.
  Scratch scratch;
  std::vector<std::string> left = candidates;
  std::string order;
  while (true) {
    std::string text;
    for (const std::string& key : left) text += fmt::format("{{ {} = x }} ", key);
    const Maps maps = left.empty() ? Maps() : Maps::open("m", "inline:{ " + text + "}", scratch.context);
    const Found found = search(maps);
    if (!found || !*found) break;
    order += (order.empty() ? "" : " ") + (*found)->key;
    std::erase(left, (*found)->key);
  }
  return order;
}

const std::vector<std::string> usual = {"user+ext@a.b.example",
                                        "user@a.b.example",
                                        "user+ext",
                                        "user",
                                        "@a.b.example",
                                        "a.b.example",
                                        ".a.b.example",
                                        "b.example",
                                        ".b.example",
                                        "example",
                                        ".example",
                                        "*",
                                        "user+ext@",
                                        "user@",
                                        "@b.example",
                                        "user+ext@local.example",
                                        "user@local.example",
                                        "@local.example",
                                        "local.example",
                                        "@",
                                        "+ext",
                                        ".local.example"};

}  // namespace

TEST_CASE("an address is looked up whole, without extension, and by domain") {
  const auto search = [](std::string_view address) {
    return [address](const Maps& maps) { return find_address(maps, address, rules); };
  };
  CHECK(keys_of(search("user+ext@a.b.example"), usual) ==
        "user+ext@a.b.example user@a.b.example @a.b.example");
  CHECK(keys_of(search("user@a.b.example"), usual) == "user@a.b.example @a.b.example");
  CHECK(keys_of(search("user+ext"), usual) == "user+ext user");
}

TEST_CASE("a local address is looked up by its user too") {
  CHECK(keys_of([](const Maps& maps) { return find_address(maps, "user+ext@local.example", rules); },
                usual) == "user+ext@local.example user@local.example user+ext user @local.example");
  CHECK(keys_of([](const Maps& maps) { return find_address(maps, "user+ext@local.example", rules, true); },
                usual) == "user+ext@local.example user@local.example @local.example");
}

TEST_CASE("an alias is looked up with and without extension") {
  CHECK(keys_of([](const Maps& maps) { return find_alias(maps, "user+ext", rules); }, usual) ==
        "user+ext user");
}

TEST_CASE("a transport is looked up by address, domain, parents and star") {
  CHECK(keys_of(
            [](const Maps& maps) {
              return find_transport(maps, "user+ext@a.b.example", rules, Parents::dotted);
            },
            usual) == "user+ext@a.b.example user@a.b.example a.b.example .b.example .example *");
  CHECK(keys_of(
            [](const Maps& maps) { return find_transport(maps, "user@a.b.example", rules, Parents::plain); },
            usual) == "user@a.b.example a.b.example b.example example *");
  CHECK(keys_of([](const Maps& maps) { return find_transport_domain(maps, "a.b.example", Parents::dotted); },
                usual) == "a.b.example .b.example .example *");
}

TEST_CASE("access to an address is looked up by address, domain and then user") {
  CHECK(keys_of(
            [](const Maps& maps) {
              return find_access_address(maps, "user+ext@a.b.example", rules, Parents::plain);
            },
            usual) == "user+ext@a.b.example user@a.b.example a.b.example b.example example user+ext@ user@");
  CHECK(keys_of([](const Maps& maps) { return find_access_host(maps, "a.b.example", Parents::dotted); },
                usual) == "a.b.example .b.example .example");
}

TEST_CASE("access to a network address is looked up at every boundary") {
  const std::vector<std::string> v4 = {"192.0.2.1", "192.0.2", "192.0", "192", "192.", "0.2.1"};
  CHECK(keys_of([](const Maps& maps) { return find_access_network(maps, "192.0.2.1"); }, v4) ==
        "192.0.2.1 192.0.2 192.0 192");
  const std::vector<std::string> v6 = {"2001:db8::1", "2001:db8:", "2001:db8", "2001", "2001:"};
  CHECK(keys_of([](const Maps& maps) { return find_access_network(maps, "2001:db8::1"); }, v6) ==
        "2001:db8::1 2001:db8 2001");
}

TEST_CASE("a hit tells which extension its key left out") {
  Scratch scratch;
  const Maps maps =
      Maps::open("m", "inline:{ user@a.example=x, @b.example=y, u+e@c.example=z }", scratch.context);
  const auto extension = [&](std::string_view address) {
    const Found found = find_address(maps, address, rules);
    REQUIRE((found && *found));
    return (*found)->extension;
  };
  CHECK(extension("user+ext@a.example") == "+ext");
  CHECK(extension("user+ext@b.example") == "");
  CHECK(extension("u+e@c.example") == "");
}

TEST_CASE("a search fails when it cannot tell whether the domain is local") {
  Scratch scratch;
  const AddressRules unsure{.delimiters = "", .is_local = [](std::string_view) -> Result<bool> {
                              return fail(Trouble::temporary, "mydestination table is down");
                            }};
  const Maps maps = Maps::open("m", "inline:{user@a.example=x, @b.example=y}", scratch.context);
  CHECK(find_address(maps, "user@a.example", unsure)->has_value());
  CHECK_FALSE(find_address(maps, "user@b.example", unsure).has_value());
}

TEST_CASE("a search ends at the first table in trouble") {
  Scratch scratch;
  const Maps maps = Maps::open("m", "inline:{user@a.example=x}, fail:x", scratch.context);
  CHECK(find_address(maps, "user@a.example", rules)->has_value());
  CHECK_FALSE(find_address(maps, "user+ext@a.example", rules).has_value());
}

TEST_CASE("local parts that need quotes are found in either form, quoted first") {
  Scratch scratch;
  const std::string file = scratch.write("m", "\"a b\"@x.example quoted\n");
  const Maps maps = Maps::open("m", "texthash:" + file, scratch.context);
  CHECK((*find_address(maps, "a b@x.example", rules))->value == "quoted");
}

TEST_CASE("domains of dots alone or with a dot behind end the search of parents") {
  for (const std::string_view domain : {".", "..", "a.", ".a", "[192.0.2.1]", "a..b"}) {
    Scratch scratch;
    const Maps maps = Maps::open("m", "inline:{zzz=1}", scratch.context);
    CHECK_FALSE(find_access_host(maps, domain, Parents::dotted)->has_value());
    CHECK_FALSE(find_access_host(maps, domain, Parents::plain)->has_value());
  }
}
