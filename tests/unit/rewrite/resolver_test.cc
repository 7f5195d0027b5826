#include "rewrite/resolver.h"

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "lib/base/log.h"
#include "lib/os/files.h"

using namespace postrider;
using namespace postrider::rewrite;
using protocol::AddressClass;
using protocol::Route;
using Existence = protocol::RecipientChecked::Existence;

namespace {

struct House {
  MemoryLog log;
  ManualClock clock;
  table::Context context{os::system_files(), log, clock};
  ResolverSettings settings;

  House() {
    settings.rewriting.myorigin = "my.example";
    settings.rewriting.mydomain = "my.example";
    settings.myhostname = "mail.my.example";
    settings.local_transport = "local:mail.my.example";
    settings.virtual_transport = "virtual";
    settings.relay_transport = "relay";
    settings.default_transport = "smtp";
    settings.empty_address_recipient = "MAILER-DAEMON";
    settings.empty_relayhost_key = "<>";
    settings.empty_default_transport_key = "<>";
    settings.recipient_delimiter = "+";
    settings.mydestination = {"my.example", "mail.my.example", "localhost"};
    settings.virtual_alias_domains = {"alias.example"};
    settings.virtual_mailbox_domains = {"box.example"};
    settings.relay_domains = {"relay.example"};
    settings.is_own_address = [](std::string_view ip) { return ip == "127.0.0.1" || ip == "::1"; };
  }

  std::unique_ptr<Resolver> make() {
    auto made = Resolver::make(settings, context);
    REQUIRE(made.has_value());
    return std::move(*made);
  }
  // "class transport:nexthop recipient", or what is wrong.
  std::string route(std::string_view address, std::string_view sender = "me@my.example") {
    const Route route = make()->resolve(sender, address);
    if (route.trouble == Route::Trouble::bad_syntax) return "bad";
    if (route.trouble == Route::Trouble::table) return "table";
    constexpr const char* classes[] = {"local", "alias", "mailbox", "relay", "other"};
    return fmt::format("{} {}:{} {}{}", classes[static_cast<int>(route.address_class)], route.transport,
                       route.nexthop, route.recipient, route.routed ? " routed" : "");
  }
  std::string exists(std::string_view address) {
    const protocol::RecipientChecked checked = make()->check("", address);
    constexpr const char* words[] = {"listed", "unlisted", "unchecked", "trouble"};
    return words[static_cast<int>(checked.existence)];
  }
};

}  // namespace

TEST_CASE("each address class has its transport and next hop") {
  House house;
  CHECK(house.route("user@my.example") == "local local:mail.my.example user@my.example");
  CHECK(house.route("user@MAIL.my.Example.") == "local local:mail.my.example user@mail.my.example");
  CHECK(house.route("user") == "local local:mail.my.example user@mail.my.example");
  CHECK(house.route("user@[127.0.0.1]") == "local local:mail.my.example user@[127.0.0.1]");
  CHECK(house.route("user@[IPv6:::1]") == "local local:mail.my.example user@[ipv6:::1]");
  CHECK(house.route("x@alias.example") ==
        "alias error:5.1.1 User unknown in virtual alias table x@alias.example");
  CHECK(house.route("x@box.example") == "mailbox virtual:box.example x@box.example");
  CHECK(house.route("x@relay.example") == "relay relay:relay.example x@relay.example");
  CHECK(house.route("x@sub.relay.example") == "relay relay:sub.relay.example x@sub.relay.example");
  CHECK(house.route("x@Other.Example") == "other smtp:other.example x@other.example");
  CHECK(house.route("x@[192.0.2.9]") == "other smtp:[192.0.2.9] x@[192.0.2.9]");
  CHECK(house.route("") == "local local:mail.my.example MAILER-DAEMON@mail.my.example");
  CHECK(house.log.text().empty());
}

TEST_CASE("addresses that end here are opened until they lead elsewhere") {
  House house;
  CHECK(house.route("user%other.example@my.example") == "other smtp:other.example user@other.example");
  CHECK(house.route("user@other.example@my.example") == "other smtp:other.example user@other.example");
  CHECK(house.route("\"user@other.example\"@my.example") == "other smtp:other.example user@other.example");
  CHECK(house.route("other.example!user@my.example") == "other smtp:other.example user@other.example");
  CHECK(house.route("a%b%other.example@my.example@localhost") ==
        "other smtp:other.example a%b@other.example routed");
  CHECK(house.route("user%my.example@localhost") == "local local:mail.my.example user@my.example");
  CHECK(house.route("user%other.example@relay.example") ==
        "relay relay:relay.example user%other.example@relay.example routed");
  CHECK(house.route("\"user@other.example\"@relay.example") ==
        "relay relay:relay.example user@other.example@relay.example routed");
  house.settings.rewriting.percent_hack = house.settings.rewriting.swap_bangpath = false;
  CHECK(house.route("user%other.example@my.example") ==
        "local local:mail.my.example user%other.example@my.example");
}

TEST_CASE("quoted local parts are not looked into when told to be correct") {
  House house;
  house.settings.resolve_dequoted_address = false;
  CHECK(house.route("\"user@other.example\"@my.example") ==
        "local local:mail.my.example user@other.example@my.example");
  CHECK(house.route("\"a b\"@relay.example") == "relay relay:relay.example a b@relay.example");
  CHECK(house.route("user%other.example@my.example") == "other smtp:other.example user@other.example");
}

TEST_CASE("what can be no recipient is refused") {
  House house;
  for (const char* address :
       {"@", "@my.example", "@other.example", "user@", "user@.", "user@a..b", "user@[1.2.3]", "user@[",
        "user@[]", "user@1.2.3.4", "user@other..", "@my.example@my.example", "user@exa mple"}) {
    INFO(address);
    CHECK(house.route(address) == "bad");
  }
  std::string deep = "user";
  for (int i = 0; i < 1000; ++i) deep += "%my.example";
  CHECK(house.route(deep + "@my.example") == "bad");
  CHECK(house.route(std::string(3000, 'x') + "@other.example") == "bad");
  house.settings.resolve_numeric_domain = true;
  CHECK(house.route("user@192.0.2.4") == "other smtp:[192.0.2.4] user@[192.0.2.4]");
  house.settings.resolve_null_domain = true;
  CHECK(house.route("user@") == "local local:mail.my.example user@mail.my.example");
}

TEST_CASE("relayhost takes what is not for us, unless a transport names its own hop") {
  House house;
  house.settings.relayhost = "[hub.example]:587";
  CHECK(house.route("x@other.example") == "other smtp:[hub.example]:587 x@other.example");
  CHECK(house.route("x@relay.example") == "relay relay:[hub.example]:587 x@relay.example");
  CHECK(house.route("x@box.example") == "mailbox virtual:box.example x@box.example");
  house.settings.default_transport = "smtp:[direct.example]";
  CHECK(house.route("x@other.example") == "other smtp:[direct.example] x@other.example");
}

TEST_CASE("the sender chooses relay host and default transport") {
  House house;
  house.settings.relayhost = "[hub.example]";
  house.settings.sender_dependent_relayhost_maps =
      "inline:{ a@s.example=[a.example], @s.example=[s.example], @d.example=DUNNO, {<> = [null.example]} }";
  CHECK(house.route("x@other.example", "a+ext@s.example") == "other smtp:[a.example] x@other.example");
  CHECK(house.route("x@other.example", "b@S.example") == "other smtp:[s.example] x@other.example");
  CHECK(house.route("x@other.example", "b@d.example") == "other smtp:[hub.example] x@other.example");
  CHECK(house.route("x@other.example", "") == "other smtp:[null.example] x@other.example");
  house.settings.sender_dependent_default_transport_maps =
      "inline:{ @t.example=slow, @u.example=slow:[u.example], @v.example=:[v.example], @d.example=DUNNO, "
      "<>=bulk: }";
  CHECK(house.route("x@other.example", "b@t.example") == "other slow:[hub.example] x@other.example");
  CHECK(house.route("x@other.example", "b@u.example") == "other slow:[u.example] x@other.example");
  CHECK(house.route("x@other.example", "b@v.example") == "other smtp:[v.example] x@other.example");
  CHECK(house.route("x@other.example", "b@d.example") == "other smtp:[hub.example] x@other.example");
  CHECK(house.route("x@other.example", "") == "other bulk:[null.example] x@other.example");
  CHECK(house.route("x@relay.example", "b@t.example") == "relay relay:[hub.example] x@relay.example");
}

TEST_CASE("the transport table overrides all classes but virtual aliases") {
  House house;
  house.settings.transport_maps =
      "inline:{ user@my.example=lmtp:unix:/run/x, {other.example = :[hop.example]:26}, .other.example=slow:, "
      "keep.example=:, {err.example = error:5.2.0 no mail here}, alias.example=smtp:, "
      "box.example=lmtp:inet:h }";
  CHECK(house.route("user+ext@my.example") == "local lmtp:unix:/run/x user+ext@my.example");
  CHECK(house.route("u@my.example") == "local local:mail.my.example u@my.example");
  CHECK(house.route("x@other.example") == "other smtp:[hop.example]:26 x@other.example");
  CHECK(house.route("x@a.other.example") == "other slow:a.other.example x@a.other.example");
  CHECK(house.route("x@keep.example") == "other smtp:keep.example x@keep.example");
  CHECK(house.route("x@err.example") == "other error:5.2.0 no mail here x@err.example");
  CHECK(house.route("x@box.example") == "mailbox lmtp:inet:h x@box.example");
  CHECK(house.route("x@alias.example").starts_with("alias error:"));
  house.settings.transport_maps = "inline:{ other.example=a, {* = star:[everywhere.example]} }";
  house.settings.transport_parents_match = true;
  CHECK(house.route("x@deep.other.example") == "other a:deep.other.example x@deep.other.example");
  CHECK(house.route("x@third.example") == "other star:[everywhere.example] x@third.example");
}

TEST_CASE("users who moved are refused with their new place whatever the class") {
  House house;
  house.settings.relocated_maps =
      "inline:{ user@my.example=new@x.example, {@box.example = elsewhere, far away} }";
  CHECK(house.route("user@my.example") ==
        "local error:5.1.6 User has moved to new@x.example user@my.example");
  CHECK(house.route("any@box.example") ==
        "mailbox error:5.1.6 User has moved to elsewhere, far away any@box.example");
}

TEST_CASE("domains may stand in tables, and trouble there is no answer") {
  House house;
  house.settings.virtual_mailbox_domains = {"inline:{ table.example=x }"};
  CHECK(house.route("x@table.example") == "mailbox virtual:table.example x@table.example");
  for (std::vector<std::string> ResolverSettings::* list :
       {&ResolverSettings::mydestination, &ResolverSettings::virtual_alias_domains,
        &ResolverSettings::virtual_mailbox_domains, &ResolverSettings::relay_domains}) {
    House broken;
    (broken.settings.*list).emplace_back("fail:x");
    CHECK(broken.route("x@other.example") == "table");
  }
  for (std::string ResolverSettings::* maps :
       {&ResolverSettings::transport_maps, &ResolverSettings::relocated_maps,
        &ResolverSettings::sender_dependent_relayhost_maps,
        &ResolverSettings::sender_dependent_default_transport_maps}) {
    House broken;
    broken.settings.*maps = "fail:x";
    CHECK(broken.route("x@other.example") == "table");
    CHECK(broken.exists("x@other.example") == "trouble");
  }
}

TEST_CASE("a domain listed in two classes is pointed out") {
  House house;
  house.settings.virtual_alias_domains = {"my.example", "box.example"};
  CHECK(house.route("user@my.example").starts_with("local"));
  CHECK(house.log.text() ==
        "warning: do not list domain my.example in BOTH mydestination and virtual_alias_domains\n");
  CHECK(house.route("user@box.example").starts_with("alias"));
  CHECK(house.log.contains(
      "do not list domain box.example in BOTH virtual_alias_domains and virtual_mailbox_domains"));
}

TEST_CASE("recipients are looked for in the tables of their class") {
  House house;
  house.settings.local_recipient_maps = "inline:{user=x, full@my.example=x}";
  house.settings.virtual_mailbox_maps = "inline:{user@box.example=x}";
  house.settings.relay_recipient_maps = "inline:{user@relay.example=x, @sub.relay.example=x}";
  house.settings.virtual_alias_maps = "inline:{a@alias.example=b, @all.my.example=c, moved@other.example=d}";
  struct Case {
    const char* address;
    const char* answer;
  };
  for (const Case& c : {Case{"user@my.example", "listed"}, Case{"user", "listed"},
                        Case{"USER+x@my.example", "listed"}, Case{"user@[127.0.0.1]", "listed"},
                        Case{"full@my.example", "listed"}, Case{"full@localhost", "unlisted"},
                        Case{"none@my.example", "unlisted"}, Case{"double-bounce@my.example", "listed"},
                        Case{"user@box.example", "listed"}, Case{"user+x@box.example", "listed"},
                        Case{"none@box.example", "unlisted"}, Case{"user@relay.example", "listed"},
                        Case{"any@sub.relay.example", "listed"}, Case{"none@relay.example", "unlisted"},
                        Case{"a@alias.example", "listed"}, Case{"b@alias.example", "unlisted"},
                        Case{"any@other.example", "unchecked"}, Case{"moved@other.example", "listed"}}) {
    INFO(c.address);
    CHECK(house.exists(c.address) == c.answer);
  }
  house.settings.local_recipient_maps.clear();
  CHECK(house.exists("none@my.example") == "unchecked");
  house.settings.canonical_maps = "inline:{none@box.example=x}";
  CHECK(house.exists("none@box.example") == "listed");
}

TEST_CASE("a recipient table in trouble leaves the answer open") {
  House house;
  house.settings.local_recipient_maps = house.settings.virtual_mailbox_maps = "fail:x";
  CHECK(house.exists("user@my.example") == "trouble");
  CHECK(house.exists("user@box.example") == "trouble");
  CHECK(house.exists("user@other.example") == "unchecked");
  house.settings.virtual_alias_maps = "fail:x";
  CHECK(house.exists("user@other.example") == "trouble");
}

TEST_CASE("the kind of table that did not know a recipient is named") {
  House house;
  house.settings.local_recipient_maps = house.settings.virtual_mailbox_maps = "inline:{x=y}";
  house.settings.relay_recipient_maps = "inline:{x=y}";
  const auto kind = [&](std::string_view address) { return house.make()->check("", address).table_kind; };
  CHECK(kind("none@my.example") == "local recipient table");
  CHECK(kind("none@alias.example") == "virtual alias table");
  CHECK(kind("none@box.example") == "virtual mailbox table");
  CHECK(kind("none@relay.example") == "relay recipient table");
}

TEST_CASE("lookups for others go through keys or lists of keys") {
  House house;
  const auto resolver = house.make();
  protocol::Lookup question;
  question.maps = "inline:{b=2, c=3}";
  question.keys = {"a", "b", "c"};
  protocol::LookedUp answer = resolver->look_up(question);
  REQUIRE(answer.answers.size() == 1);
  CHECK(answer.answers[0].key == "b");
  CHECK(answer.answers[0].value == "2");
  question.first_only = false;
  answer = resolver->look_up(question);
  REQUIRE(answer.answers.size() == 3);
  using Status = protocol::LookedUp::Answer::Status;
  CHECK(answer.answers[0].status == Status::absent);
  CHECK(answer.answers[2].value == "3");
  question.maps = "fail:x";
  CHECK(resolver->look_up(question).answers[1].status == Status::trouble);
  question.first_only = true;
  CHECK(resolver->look_up(question).answers[0].status == Status::trouble);
  question.maps = "inline:{z=1}";
  CHECK(resolver->look_up(question).answers[0].status == Status::absent);
  // However many lists are asked for, they are not all kept open.
  for (int i = 0; i < 2500; ++i) {
    question.maps = fmt::format("inline:{{a={}}}", i);
    CHECK(resolver->look_up(question).answers[0].value == std::to_string(i));
  }
}
