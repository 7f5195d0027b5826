#include "smtpd/restrictions.h"

#include <catch2/catch.hpp>

#include "lib/config/list.h"
#include "tests/unit/smtpd/site.h"

using namespace postrider;
using namespace postrider::smtpd;
using postrider::smtpd::test::Site;

namespace {

Result<RestrictionList> parse(const std::string& text, const std::string& main_cf = "",
                              const std::vector<std::string>& classes = {},
                              const std::string& parameter = "smtpd_recipient_restrictions") {
  return RestrictionList::parse(*config::split_list(text), config::Values::of_text(main_cf), classes,
                                parameter);
}

// "name argument warn; name …"
std::string shown(const Result<RestrictionList>& list) {
  if (!list) return "error: " + list.error().text();
  std::string all;
  for (const Restriction& one : list->items()) {
    all += (all.empty() ? "" : "; ") + one.name;
    if (!one.argument.empty()) all += " " + one.argument;
    if (one.warn_only) all += " (warn)";
  }
  return all;
}

struct Asked {
  std::string list;
  std::string recipient = "user@example.org";
  std::string sender = "ann@example.net";
  std::string client = "198.51.100.7";
  std::string sasl_username = "";
  bool pipelined = false;
};

event::Task<Verdict> evaluate(Site& site, const RestrictionList& list, const Client& client, Asked asked) {
  const protocol::RecipientChecked checked = Site::check_address(asked.recipient);
  Situation at{.client = client};
  at.helo = "client.example";
  at.sender = at.sender_internal = asked.sender;
  at.has_sender = true;
  at.recipient = asked.recipient;
  at.checked = &checked;
  at.sasl_username = asked.sasl_username;
  at.pipelined = asked.pipelined;
  Verdict verdict = co_await list.evaluate(*site.server, at, "<it>");
  co_return verdict;
}

Verdict evaluate(Site& site, const Asked& asked) {
  const auto list =
      RestrictionList::parse(*config::split_list(asked.list), site.daemon->values(),
                             site.server->config().restriction_classes(), "smtpd_recipient_restrictions");
  REQUIRE(list);
  Client client;
  client.ip = address::IpAddress::parse(asked.client).value();
  client.address = asked.client;
  client.logged = "unknown[" + asked.client + "]";
  client.trusted = asked.client.starts_with("192.0.2.");
  return site.daemon->loop().run_until_done(evaluate(site, *list, client, asked));
}

// "permit", "neutral", or the refusal.
std::string outcome(Site& site, const Asked& asked) {
  const Verdict verdict = evaluate(site, asked);
  if (verdict.kind == Verdict::Kind::refuse) return verdict.reply.text();
  return verdict.kind == Verdict::Kind::permit ? "permit" : "neutral";
}

}  // namespace

TEST_CASE("A check without its table is a mistake in main.cf") {
  CHECK(shown(parse("permit_mynetworks, check_client_access")).find("must be followed by a table") !=
        std::string::npos);
  CHECK(shown(parse("check_client_access hash:/a, reject")) == "check_client_access hash:/a; reject");
}

TEST_CASE("A table alone is asked about what the list is about") {
  CHECK(shown(parse("hash:/a", "", {}, "smtpd_client_restrictions")) == "check_client_access hash:/a");
  CHECK(shown(parse("hash:/a", "", {}, "smtpd_helo_restrictions")) == "check_helo_access hash:/a");
  CHECK(shown(parse("hash:/a", "", {}, "smtpd_sender_restrictions")) == "check_sender_access hash:/a");
  CHECK(shown(parse("hash:/A", "", {}, "smtpd_relay_restrictions")) == "check_recipient_access hash:/A");
  CHECK(shown(parse("hash:/a", "", {}, "smtpd_data_restrictions")).starts_with("error: "));
}

TEST_CASE("warn_if_reject holds for the next restriction, or for all of a class") {
  CHECK(shown(parse("warn_if_reject reject, permit")) == "reject (warn); permit");
  CHECK(shown(parse("warn_if_reject strict, permit", "strict = reject_non_fqdn_sender, reject\n",
                    {"strict"})) == "reject_non_fqdn_sender (warn); reject (warn); permit");
}

TEST_CASE("Restriction classes stand for their list, in the list that names them") {
  CHECK(shown(parse("strict, permit", "strict = hash:/t, reject\n", {"strict"},
                    "smtpd_sender_restrictions")) == "check_sender_access hash:/t; reject; permit");
  CHECK(shown(parse("a, a", "a = b\nb = reject\n", {"a", "b"})) == "reject; reject");
}

TEST_CASE("A class that refers to itself is a mistake in main.cf") {
  CHECK(shown(parse("a", "a = permit_mynetworks, a\n", {"a"})).find("refers to itself") != std::string::npos);
  CHECK(shown(parse("a", "a = b\nb = a\n", {"a", "b"})).find("refers to itself") != std::string::npos);
}

TEST_CASE("Only a restriction that refuses and can be reached protects from relaying") {
  for (const char* good : {"reject", "permit_mynetworks, reject_unauth_destination", "defer",
                           "permit_sasl_authenticated defer_unauth_destination", "defer_if_permit"})
    CHECK(parse(good)->protects_relay());
  for (const char* bad :
       {"", "permit_mynetworks", "warn_if_reject reject", "permit, reject", "check_recipient_access hash:/a",
        "permit_mynetworks, permit, reject_unauth_destination"})
    CHECK_FALSE(parse(bad)->protects_relay());
}

TEST_CASE("smtpd does not start as an open relay") {
  const auto starts = [](const std::string& settings) {
    Site site(settings);
    return site.server->open().has_value();
  };
  CHECK_FALSE(starts("smtpd_relay_restrictions = permit\nsmtpd_recipient_restrictions =\n"));
  CHECK(starts(""));
}

TEST_CASE("A route in the local part is not relayed for strangers, unless allow_untrusted_routing") {
  const std::string list = "permit_mynetworks, reject_unauth_destination";
  {
    Site trusting("allow_untrusted_routing = yes\n");
    CHECK(outcome(trusting, {.list = list, .recipient = "a%b@relay.example"}) == "neutral");
  }
  Site site;
  CHECK(outcome(site, {.list = list, .recipient = "user@relay.example"}) == "neutral");
  const std::string denied = outcome(site, {.list = list, .recipient = "a%b.example@relay.example"});
  CHECK(denied == "554 5.7.1 <a%b.example@relay.example>: Relay access denied");
  CHECK(outcome(site, {.list = list, .recipient = "a%b@example.org"}) == "neutral");  // ours: we read it
  CHECK(outcome(site, {.list = list, .recipient = "a@elsewhere.example"}).starts_with("554 5.7.1"));
  CHECK(outcome(site, {.list = list, .recipient = "a@elsewhere.example", .client = "192.0.2.9"}) == "permit");
  CHECK(outcome(site, {.list = "defer_unauth_destination", .recipient = "a@elsewhere.example"})
            .starts_with("454 4.7.1"));
  CHECK(outcome(site, {.list = "permit_auth_destination, reject", .recipient = "a%b@relay.example"})
            .starts_with("554"));
}

TEST_CASE("Relaying is denied with relay_domains_reject_code") {
  Site site("relay_domains_reject_code = 451\n");
  CHECK(relay_denied(site.server->config(), "a@b.example").text() ==
        "451 4.7.1 <a@b.example>: Relay access denied");
}

TEST_CASE("A misspelt restriction refuses for the time being") {
  Site site;
  CHECK(outcome(site, {.list = "reject_unauth_destinaton"}) == "451 4.3.5 Server configuration error");
  CHECK(site.log().find("unknown or unsupported restriction: reject_unauth_destinaton") != std::string::npos);
}

TEST_CASE("A table's answer decides, its silence does not, its trouble defers") {
  Site site;
  site.tables["hash:/a"] = {{"user@example.org", "REJECT gone"}, {"example.net", "OK"}};
  CHECK(outcome(site, {.list = "check_recipient_access hash:/a"}) ==
        "554 5.7.1 <user@example.org>: Recipient address rejected: gone");
  CHECK(outcome(site, {.list = "check_sender_access hash:/a, reject"}) == "permit");
  CHECK(outcome(site, {.list = "check_client_access hash:/a"}) == "neutral");
  CHECK(outcome(site, {.list = "check_client_access hash:/missing"}) ==
        "451 4.3.5 Server configuration error");
}

TEST_CASE("The user's address without extension is asked for when recipient_delimiter is set") {
  Site site("recipient_delimiter = +\n");
  site.tables["hash:/a"] = {{"user@example.org", "REJECT"}};
  CHECK(outcome(site, {.list = "check_recipient_access hash:/a", .recipient = "user+x@example.org"})
            .starts_with("554 5.7.1"));
}

TEST_CASE("A table may answer with restrictions, which are obeyed") {
  Site site("smtpd_restriction_classes = strict\nstrict = reject_unauth_destination\n");
  site.tables["hash:/a"] = {{"elsewhere.example", "permit_mynetworks, reject_unauth_destination"},
                            {"class.example", "strict"},
                            {"wrong.example", "REJCT"}};
  const std::string list = "check_recipient_access hash:/a";
  CHECK(outcome(site, {.list = list, .recipient = "a@elsewhere.example"}).starts_with("554 5.7.1"));
  CHECK(outcome(site, {.list = list, .recipient = "a@elsewhere.example", .client = "192.0.2.9"}) == "permit");
  CHECK(outcome(site, {.list = list, .recipient = "a@class.example"}).starts_with("554 5.7.1"));
  CHECK(outcome(site, {.list = list, .recipient = "a@wrong.example"}) ==
        "451 4.3.5 Server configuration error");
}

TEST_CASE("A table that answers with itself ends in a refusal") {
  Site site;
  site.tables["hash:/a"] = {{"user@example.org", "check_recipient_access hash:/a"}};
  CHECK(outcome(site, {.list = "check_recipient_access hash:/a"}) == "451 4.3.5 Server configuration error");
}

TEST_CASE("warn_if_reject logs what would have been refused") {
  Site site;
  CHECK(outcome(site, {.list = "warn_if_reject reject, permit_mynetworks"}) == "neutral");
  CHECK(site.log().find("reject_warning: unknown[198.51.100.7]: 554 5.7.1") != std::string::npos);
}

TEST_CASE("defer_if_permit leaves the last word to what comes after it") {
  Site site;
  site.tables["hash:/a"] = {{"user@example.org", "DEFER_IF_PERMIT later"}};
  CHECK(outcome(site, {.list = "check_recipient_access hash:/a, reject"}).starts_with("554"));
  CHECK(evaluate(site, {.list = "check_recipient_access hash:/a, permit"}).deferred.text() ==
        "450 4.7.1 <user@example.org>: Recipient address rejected: later");
}

TEST_CASE("Actions on the message gather along the list") {
  Site site;
  site.tables["hash:/a"] = {{"user@example.org", "HOLD"}, {"ann@example.net", "PREPEND X-Ann: yes"}};
  const Verdict verdict =
      evaluate(site, {.list = "check_sender_access hash:/a, check_recipient_access hash:/a, permit"});
  CHECK(verdict.kind == Verdict::Kind::permit);
  CHECK(verdict.hold);
  CHECK(verdict.prepend == std::vector<std::string>{"X-Ann: yes"});
}

TEST_CASE("Senders and recipients that no table lists are refused where a list says so") {
  Site site;
  CHECK(outcome(site, {.list = "reject_unlisted_recipient", .recipient = "nobody@example.org"}) ==
        "550 5.1.1 <nobody@example.org>: Recipient address rejected: User unknown in local recipient table");
  CHECK(outcome(site, {.list = "reject_unlisted_sender", .sender = "nobody@example.org"}) ==
        "550 5.1.0 <nobody@example.org>: Sender address rejected: User unknown in local recipient table");
  CHECK(outcome(site, {.list = "reject_unlisted_sender", .sender = "ann@example.net"}) == "neutral");
  CHECK(outcome(site, {.list = "reject_unlisted_sender", .sender = ""}) == "neutral");
}
