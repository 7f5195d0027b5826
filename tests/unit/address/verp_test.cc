#include "lib/address/verp.h"

#include <catch2/catch.hpp>

using namespace postrider::address;

TEST_CASE("a VERP sender names the recipient between the delimiters") {
  CHECK(verp_sender("owner-list@example.org", "+=", "bob@example.net") ==
        "owner-list+bob=example.net@example.org");
  CHECK(verp_sender("list", "-=", "bob@example.net") == "list-bob=example.net");
  CHECK(verp_sender("list@example.org", "+=", "bob") == "list+bob@example.org");
  CHECK(verp_sender("a@b@example.org", "+=", "c@d@example.net") == "a@b+c@d=example.net@example.org");
}

TEST_CASE("the null sender has no VERP form") { CHECK(verp_sender("", "+=", "bob@example.net").empty()); }

TEST_CASE("VERP delimiters are two characters that are allowed to be") {
  CHECK(are_verp_delimiters("+=", "-=+"));
  CHECK(are_verp_delimiters("==", "-=+"));
  for (const char* wrong : {"", "+", "+=-", "+@", "@="}) CHECK_FALSE(are_verp_delimiters(wrong, "-=+"));
}
