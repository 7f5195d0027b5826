#include "smtpd/access.h"

#include <catch2/catch.hpp>

using namespace postrider;
using namespace postrider::smtpd;
using Kind = AccessAction::Kind;
using Keys = std::vector<std::string>;

namespace {

Client client_at(const std::string& address) {
  Client client;
  client.ip = address::IpAddress::parse(address).value();
  client.address = client.ip.text();
  return client;
}

AccessAction parse(std::string_view value) {
  return parse_access(value, "<x@example.org>: Recipient address rejected", 554);
}
std::string refusal(std::string_view value) {
  const AccessAction action = parse(value);
  CHECK(action.kind == Kind::refuse);
  return action.reply.text();
}

}  // namespace

TEST_CASE("A client's address is looked up whole, then by network from the longest to the shortest") {
  CHECK(network_keys(client_at("192.0.2.17")) == Keys{"192.0.2.17", "192.0.2", "192.0", "192"});
  CHECK(network_keys(client_at("2001:db8:1:2:3:4:5:6")) ==
        Keys{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5", "2001:db8:1:2:3:4", "2001:db8:1:2:3",
             "2001:db8:1:2", "2001:db8:1", "2001:db8", "2001"});
  CHECK(network_keys(client_at("2001:db8::1")) == Keys{"2001:db8::1", "2001:db8", "2001"});
  CHECK(network_keys(client_at("::1")) == Keys{"::1"});
}

TEST_CASE("A domain is looked up with its parents, in the form parent_domain_matches_subdomains asks for") {
  CHECK(domain_keys("Mail.Example.ORG", {}) == Keys{"mail.example.org", "example.org", "org"});
  CHECK(domain_keys("mail.example.org", {.bare_parents = false}) ==
        Keys{"mail.example.org", ".example.org", ".org"});
  CHECK(domain_keys("", {}).empty());
  CHECK(domain_keys("[192.0.2.1]", {}) == Keys{"[192.0.2.1]"});
  CHECK(domain_keys("example.org.", {}) == Keys{"example.org.", "org."});
}

TEST_CASE("A name of nothing but dots does not make more keys than a lookup may have") {
  for (const bool bare : {true, false})
    CHECK(domain_keys(std::string(2000, '.'), {.bare_parents = bare}).size() <= 150);
  std::string labels;
  for (int i = 0; i < 1000; ++i) labels += "a.";
  CHECK(domain_keys(labels, {}).size() <= 150);
}

TEST_CASE("An address is looked up whole, then without its extension, then by domain, then by local part") {
  CHECK(address_keys("User@Example.org", {}) == Keys{"user@example.org", "example.org", "org", "user@"});
  CHECK(address_keys("user+ext@a.example", {.delimiters = "+"}) ==
        Keys{"user+ext@a.example", "user@a.example", "a.example", "example", "user+ext@", "user@"});
  CHECK(address_keys("+ext@a.example", {.delimiters = "+"}) ==
        Keys{"+ext@a.example", "a.example", "example", "+ext@"});
  CHECK(address_keys("", {}) == Keys{"<>"});
  CHECK(address_keys("postmaster", {}) == Keys{"postmaster", "postmaster@"});
  CHECK(address_keys("a@b@c.example", {}) == Keys{"a@b@c.example", "c.example", "example", "a@b@"});
}

TEST_CASE("OK, RELAY and numbers that are no reply code permit") {
  for (const char* value :
       {"OK", "ok", "Relay", "permit", "OK with a remark", "1", "250", "1700000000", "4500"})
    CHECK(parse(value).kind == Kind::permit);
}

TEST_CASE("DUNNO and an empty result decide nothing") {
  for (const char* value : {"DUNNO", "dunno", "", "  "}) CHECK(parse(value).kind == Kind::dunno);
}

TEST_CASE("REJECT says its text, or that access is denied") {
  CHECK(refusal("REJECT") == "554 5.7.1 <x@example.org>: Recipient address rejected: Access denied");
  CHECK(refusal("reject\tgo away") == "554 5.7.1 <x@example.org>: Recipient address rejected: go away");
  CHECK(refusal("REJECT 5.2.1 no such box") ==
        "554 5.2.1 <x@example.org>: Recipient address rejected: no such box");
}

TEST_CASE("A reply code refuses with its text and enhanced status") {
  CHECK(refusal("550 5.7.0 text here") == "550 5.7.0 <x@example.org>: Recipient address rejected: text here");
  CHECK(refusal("450 text") == "450 4.7.1 <x@example.org>: Recipient address rejected: text");
  CHECK(refusal("DEFER later") == "450 4.7.1 <x@example.org>: Recipient address rejected: later");
  CHECK(refusal("550") == "550 5.7.1 <x@example.org>: Recipient address rejected: Access denied");
}

TEST_CASE("An enhanced status of another class than the code is brought into line") {
  CHECK(refusal("450 5.7.3 text") == "450 4.7.3 <x@example.org>: Recipient address rejected: text");
  CHECK(refusal("550 2.0.0 text") == "550 5.0.0 <x@example.org>: Recipient address rejected: text");
}

TEST_CASE("What a table says cannot break out of a reply") {
  const AccessAction action = parse("REJECT one\r\n250 two");
  CHECK(action.reply.wire().find("\r\n250") == std::string::npos);
  CHECK(action.reply.wire().find('\n') == action.reply.wire().size() - 1);
}

TEST_CASE("Actions on the message carry their argument") {
  CHECK(parse("HOLD").kind == Kind::hold);
  CHECK(parse("DISCARD silently").kind == Kind::discard);
  CHECK(parse("WARN look").kind == Kind::warn);
  CHECK(parse("REDIRECT spam@example.org").text == "spam@example.org");
  CHECK(parse("FILTER scan:[127.0.0.1]:10025").text == "scan:[127.0.0.1]:10025");
  CHECK(parse("PREPEND X-Seen: here").text == "X-Seen: here");
  CHECK(parse("PREPEND X-Seen: here").kind == Kind::prepend);
  const AccessAction later = parse("DEFER_IF_PERMIT wait");
  CHECK(later.kind == Kind::defer_if_permit);
  CHECK(later.reply.code == 450);
}

TEST_CASE("Actions without the argument they need are malformed, not ignored") {
  for (const char* value : {"REDIRECT", "REDIRECT nobody", "FILTER", "PREPEND", "PREPEND no header",
                            "PREPEND : empty", "PREPEND X-A: b\nX-C: d"})
    CHECK(parse(value).kind == Kind::malformed);
}

TEST_CASE("Anything else is taken for restrictions") {
  CHECK(parse("reject_unauth_destination").kind == Kind::restrictions);
  CHECK(parse("permit_mynetworks, reject").text == "permit_mynetworks, reject");
  CHECK(parse("55x text").kind == Kind::restrictions);
  CHECK(parse("250 text").kind == Kind::restrictions);
}
