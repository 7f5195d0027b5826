// Which servers are tried, in which order, and what is said when none takes the message.
#include <fmt/core.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include "tests/unit/smtp_client/fake_server.h"
#include "tests/unit/smtp_client/world.h"

using namespace postrider;
using namespace postrider::smtp_client;
using namespace postrider::smtp_client::test;
using protocol::DeliveryReport;
using Kind = protocol::RecipientOutcome::Kind;
using Health = DeliveryReport::Destination;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Two MX hosts of example.org on one port: mx1 on 127.0.0.1, mx2 on 127.0.0.2.
struct TwoServers {
  World world;
  FakeServer first, second;
  TwoServers(std::deque<std::string> scripts1, std::deque<std::string> scripts2,
             const std::string& main_cf = "")
      : world(main_cf),
        first(world.loop, std::move(scripts1)),
        second(world.loop, std::move(scripts2), "127.0.0.2", first.port()) {
    world.resolver.add_mx("example.org", 20, "mx2.example.org");
    world.resolver.add_mx("example.org", 10, "mx1.example.org");
    world.resolver.add_address("mx1.example.org", "127.0.0.1");
    world.resolver.add_address("mx2.example.org", "127.0.0.2");
  }
  std::string nexthop() const { return fmt::format("example.org:{}", first.port()); }
};

std::string good() { return hello("") + envelope_one_by_one() + taken; }

}  // namespace

TEST_CASE("the best MX host gets the message, the other one hears nothing") {
  TwoServers t({good()}, {good()});
  t.world.deliver(t.nexthop());
  REQUIRE(t.world.lines.size() == 1);
  CHECK(has(t.world.lines[0],
            fmt::format("relay=mx1.example.org[127.0.0.1]:{} dsn=2.0.0 sent", t.first.port())));
  CHECK(t.second.connections == 0);
}

TEST_CASE("the next MX host is tried when the best one refuses to talk, loses the connection, or defers") {
  for (const std::string& script :
       {std::string("S: 421 4.3.2 busy\nCLOSE\n"), std::string("CLOSE\n"),
        hello("") + "C: *\nS: 451 4.3.0 no\n", hello("") + "C: *\nS: 250 ok\nC: *\nS: 450 4.2.1 no\n",
        hello("") + "C: *\nS: 250 ok\nC: *\nS: 250 ok\nC: DATA\nS: 354 go\nDATA\nS: 452 4.3.1 full\n"}) {
    TwoServers t({script}, {good()});
    const DeliveryReport report = t.world.deliver(t.nexthop());
    REQUIRE(t.world.lines.size() == 1);
    CHECK(has(t.world.lines[0], "relay=mx2.example.org[127.0.0.2]"));
    CHECK(has(t.world.lines[0], " sent "));
    CHECK(has(t.world.log.text(), "0F00A1234567: "));
    CHECK(has(t.world.log.text(), "mx1.example.org[127.0.0.1]"));
    CHECK(report.destination == Health::healthy);
  }
}

TEST_CASE("only the recipients that were deferred go to the next host") {
  TwoServers t(
      {hello("") + "C: *\nS: 250 ok\nC: *\nS: 250 ok\nC: *\nS: 450 4.2.1 later\nC: *\nS: 550 5.1.1 no\n" +
       "C: DATA\nS: 354 go\n" + taken},
      {hello("") + "C: *\nS: 250 ok\nC: RCPT TO:<user2@example.org>\nS: 250 ok\nC: DATA\nS: 354 go\n" +
       taken});
  const DeliveryReport report = t.world.deliver(t.nexthop(), 3);
  CHECK(t.second.complaints == "");
  CHECK(report.outcomes.size() == 3);
  CHECK(has(t.world.log.text(),
            "host mx1.example.org[127.0.0.1] said: 450 4.2.1 later (in reply to RCPT TO command)"));
  int sent = 0, bounced = 0;
  for (const auto& outcome : report.outcomes) {
    sent += outcome.kind == Kind::relayed;
    bounced += outcome.kind == Kind::bounced;
  }
  CHECK(sent == 2);
  CHECK(bounced == 1);
}

TEST_CASE("5xx is the answer of the whole destination") {
  TwoServers t({hello("") + "C: *\nS: 250 ok\nC: *\nS: 550 5.1.1 no\n"}, {good()});
  CHECK(t.world.deliver(t.nexthop()).outcomes[0].kind == Kind::bounced);
  CHECK(t.second.connections == 0);
}

TEST_CASE("a message whose end was sent is not given to another server") {
  TwoServers t({hello("") + "C: *\nS: 250 ok\nC: *\nS: 250 ok\nC: DATA\nS: 354 go\nDATA\nCLOSE\n"}, {good()});
  const DeliveryReport report = t.world.deliver(t.nexthop());
  CHECK(report.outcomes[0].kind == Kind::deferred);
  CHECK(has(report.outcomes[0].reason, "message may be sent more than once"));
  CHECK(t.second.connections == 0);
}

TEST_CASE("a host that refuses connections is passed over, and named when it is the last") {
  World world;
  FakeServer server(world.loop, {good()});
  world.resolver.add_mx("example.org", 10, "dead.example.org");
  world.resolver.add_mx("example.org", 20, "live.example.org");
  world.resolver.add_address("dead.example.org", "127.0.0.9");
  world.resolver.add_address("live.example.org", "127.0.0.1");
  world.deliver(fmt::format("example.org:{}", server.port()));
  CHECK(world.log.contains(
      fmt::format("connect to dead.example.org[127.0.0.9]:{}: Connection refused\n", server.port())));
  CHECK(has(world.lines.at(0), " sent "));

  const DeliveryReport report = world.deliver(fmt::format("[127.0.0.9]:{}", server.port()));
  CHECK(world.lines.at(0) ==
        fmt::format("<user1@example.org> relay=none dsn=4.4.1 deferred (connect to 127.0.0.9[127.0.0.9]:{}: "
                    "Connection refused)",
                    server.port()));
  CHECK(report.destination == Health::dead);
  CHECK(report.destination_dsn == "4.4.1");
}

TEST_CASE("no more servers than the session limit are asked, no more addresses than the address limit") {
  World world("smtp_mx_session_limit = 2\n");
  FakeServer first(world.loop, {"S: 421 no\nCLOSE\n"});
  FakeServer second(world.loop, {"S: 421 no\nCLOSE\n"}, "127.0.0.2", first.port());
  FakeServer third(world.loop, {good()}, "127.0.0.3", first.port());
  for (const char* ip : {"127.0.0.1", "127.0.0.2", "127.0.0.3"}) {
    world.resolver.add_mx("example.org", static_cast<std::uint16_t>(ip[8]),
                          std::string("mx") + ip[8] + ".example.org");
    world.resolver.add_address(std::string("mx") + ip[8] + ".example.org", ip);
  }
  CHECK(world.deliver(fmt::format("example.org:{}", first.port())).outcomes[0].kind == Kind::deferred);
  CHECK(third.connections == 0);
  CHECK(has(world.lines.at(0), "host mx2.example.org[127.0.0.2] refused to talk to me: 421 no"));
}

TEST_CASE("without MX records the domain is the host") {
  World world;
  FakeServer server(world.loop, {good()});
  world.resolver.add_address("example.org", "127.0.0.1");
  world.deliver(fmt::format("example.org:{}", server.port()));
  CHECK(has(world.lines.at(0), "relay=example.org[127.0.0.1]"));
}

TEST_CASE("names that lead nowhere return mail, names that cannot be asked defer it") {
  struct Case {
    const char* nexthop;
    const char* line;
    Health health;
  };
  const Case cases[] = {
      {"nowhere.example",
       "dsn=5.4.4 bounced (Host or domain name not found. Name service error for name=nowhere.example "
       "type=A: Host "
       "not found)",
       Health::healthy},
      {"[nowhere.example]",
       "dsn=5.4.4 bounced (Host or domain name not found. Name service error for name=nowhere.example "
       "type=A: Host "
       "not found)",
       Health::healthy},
      {"slow.example",
       "dsn=4.4.3 deferred (Host or domain name not found. Name service error for name=slow.example type=MX: "
       "Host "
       "not found, try again)",
       Health::dead},
      {"null.example", "dsn=5.1.10 bounced (Domain null.example does not accept mail (nullMX))",
       Health::healthy},
      {"noaddress.example",
       "dsn=5.4.4 bounced (Host or domain name not found. Name service error for name=gone.example type=A: "
       "Host not "
       "found)",
       Health::healthy},
      {"bad..name", "dsn=5.4.4 bounced (bad next-hop destination: bad..name)", Health::healthy},
  };
  World world;
  world.resolver.answers.emplace("slow.example MX", fail(Trouble::temporary, "Host not found, try again"));
  world.resolver.add_mx("null.example", 0, "");
  world.resolver.add_mx("noaddress.example", 5, "gone.example");
  for (const Case& one : cases) {
    const DeliveryReport report = world.deliver(one.nexthop);
    CHECK(world.lines.at(0) == fmt::format("<user1@example.org> relay=none {}", one.line));
    CHECK(report.destination == one.health);
  }
  CHECK(world.log.contains("warning: no MX host for noaddress.example has a valid address record\n"));
}

TEST_CASE("MX hosts whose addresses cannot be looked up now defer, if no other one has any") {
  World world;
  world.resolver.add_mx("example.org", 5, "gone.example");
  world.resolver.add_mx("example.org", 6, "slow.example");
  world.resolver.answers.emplace("slow.example A", fail(Trouble::temporary, "Host not found, try again"));
  CHECK(world.deliver("example.org").outcomes[0].dsn == "4.4.3");
}

TEST_CASE("smtp_defer_if_no_mx_address_found and ignore_mx_lookup_error do as they say") {
  {
    World world("smtp_defer_if_no_mx_address_found = yes\n");
    world.resolver.add_mx("example.org", 5, "gone.example");
    CHECK(world.deliver("example.org").outcomes[0].dsn == "4.4.4");
  }
  {
    World world("ignore_mx_lookup_error = yes\n");
    FakeServer server(world.loop, {good()});
    world.resolver.answers.emplace("slow.example MX", fail(Trouble::temporary, "Host not found, try again"));
    world.resolver.add_address("slow.example", "127.0.0.1");
    world.deliver(fmt::format("slow.example:{}", server.port()));
    CHECK(has(world.lines.at(0), " sent "));
  }
}

TEST_CASE("mail that would come back to this machine is returned") {
  World world;
  world.here->own = {*address::IpAddress::parse("192.0.2.1")};
  world.resolver.add_mx("self.example", 10, "me.example");
  world.resolver.add_address("me.example", "192.0.2.1");
  world.resolver.add_mx("backup.example", 10, "gone.example");
  world.resolver.add_mx("backup.example", 20, "me.example");
  world.resolver.add_mx("loop.example", 10, "localhost");
  world.resolver.add_address("localhost", "127.0.0.1");
  world.deliver("self.example");
  CHECK(world.lines.at(0) ==
        "<user1@example.org> relay=none dsn=5.4.6 bounced (mail for self.example loops back to myself)");
  world.deliver("[me.example]");
  CHECK(has(world.lines.at(0), "dsn=5.4.6 bounced (mail for me.example loops back to myself)"));
  world.deliver("loop.example");
  CHECK(has(world.lines.at(0), "dsn=5.4.6 bounced"));
  world.deliver("backup.example");
  CHECK(has(world.lines.at(0), "dsn=4.4.4 deferred (unable to find primary relay for backup.example)"));
}

TEST_CASE("a relayhost that does not exist defers") {
  World world;
  world.here->relayhost = "[mail.typo.example]";
  CHECK(world.deliver("[mail.typo.example]").outcomes[0].kind == Kind::deferred);
  CHECK(world.lines.at(0).find("dsn=4.3.5") != std::string::npos);
  CHECK(world.log.contains("warning: relayhost configuration problem\n"));
}

TEST_CASE("fallback relays are tried in their order, and a mistake in them defers") {
  World world("smtp_fallback_relay = [127.0.0.9]:9, [127.0.0.8]:9\n");
  const DeliveryReport report = world.deliver("nowhere.example");
  CHECK(report.outcomes[0].kind == Kind::deferred);
  CHECK(world.log.contains("connect to 127.0.0.9[127.0.0.9]:9: Connection refused\n"));
  CHECK(has(world.lines.at(0), "connect to 127.0.0.8[127.0.0.8]:9: Connection refused"));
  World mistaken("smtp_fallback_relay = typo.example\n");
  CHECK(mistaken.deliver("nowhere.example").outcomes[0].dsn == "4.3.5");
  CHECK(mistaken.log.contains("warning: smtp_fallback_relay configuration problem\n"));
}

TEST_CASE("with disable_dns_lookups hosts come from the hosts file and MX records are not asked for") {
  World world("disable_dns_lookups = yes\n");
  world.here->hosts = dns::Hosts::parse("127.0.0.1 mail.lan\n");
  FakeServer server(world.loop, {good()});
  world.resolver.add_mx("mail.lan", 10, "other.example");
  world.deliver(fmt::format("mail.lan:{}", server.port()));
  CHECK(has(world.lines.at(0), "relay=mail.lan[127.0.0.1]"));
  CHECK(world.resolver.asked == 0);
}

TEST_CASE("addresses of a protocol that is turned off are not used") {
  World world;
  world.here->ipv6 = false;
  FakeServer server(world.loop, {good()});
  world.resolver.add_address("both.example", "::1");
  world.resolver.add_address("both.example", "127.0.0.1");
  world.deliver(fmt::format("both.example:{}", server.port()));
  CHECK(has(world.lines.at(0), "relay=both.example[127.0.0.1]"));
  CHECK(world.log.text() == "");
}

// ---- connections that are kept

TEST_CASE(
    "a connection serves the next message to the same place, counted in the log, and then says goodbye") {
  World world;
  FakeServer server(world.loop, {hello("") + envelope_one_by_one() + taken + envelope_one_by_one() + taken +
                                 envelope_one_by_one() + taken + "C: QUIT\n"});
  world.deliver(server.nexthop());
  CHECK(world.last_use == 1);
  world.deliver(server.nexthop());
  CHECK(world.last_use == 2);
  world.wait(Seconds{1});
  world.deliver(server.nexthop());
  CHECK(world.last_use == 3);
  CHECK(server.connections == 1);
  CHECK(server.contents.size() == 3);
  world.wait(Seconds{3});
  CHECK(server.complaints == "");
  CHECK(server.heard.back() == "QUIT");
  CHECK(world.kept->size() == 0);
}

TEST_CASE("a message after one that was not finished begins with RSET") {
  World world;
  FakeServer server(world.loop,
                    {hello() + "C: *\nC: *\nC: DATA\nS: 250 ok\nS: 550 no\nS: 503 no\n" +
                     "C: RSET\nC: *\nC: *\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n" + taken});
  world.deliver(server.nexthop());
  world.deliver(server.nexthop());
  CHECK(server.complaints == "");
  CHECK(has(world.lines.at(0), " sent "));
  CHECK(server.connections == 1);
}

TEST_CASE("a kept connection that the server closed is replaced, and nobody hears of it") {
  for (const std::string& end : {std::string("CLOSE\n"), std::string("S: 421 idle for too long\nCLOSE\n"),
                                 std::string("C: MAIL FROM:<sender@me.test>\nCLOSE\n"),
                                 std::string("C: MAIL FROM:<sender@me.test>\nS: 421 idle\nCLOSE\n")}) {
    World world;
    FakeServer server(world.loop, {good() + end, good()});
    world.deliver(server.nexthop());
    world.wait(Milliseconds{1});
    world.deliver(server.nexthop());
    CHECK(server.connections == 2);
    CHECK(has(world.lines.at(0), " sent "));
    CHECK(world.last_use == 1);
    CHECK(world.log.text() == "");
  }
}

TEST_CASE("a recipient deferred on a kept connection is deferred for what the server said") {
  World world;
  FakeServer server(world.loop, {good() + "C: *\nS: 250 ok\nC: *\nS: 450 4.2.1 greylisted\n"});
  world.deliver(server.nexthop());
  const DeliveryReport report = world.deliver(server.nexthop());
  CHECK(
      has(world.lines.at(0), fmt::format("relay={}:{} dsn=4.2.1 deferred (host {} said: 450 4.2.1 greylisted",
                                         server.label(), server.port(), server.label())));
  CHECK(report.destination == Health::healthy);
  CHECK(server.connections == 1);
}

TEST_CASE("connections are not kept where that is turned off, nor for longer than the limits") {
  {
    World world("smtp_connection_cache_on_demand = no\n");
    FakeServer server(world.loop, {good(), good()});
    world.deliver(server.nexthop());
    world.deliver(server.nexthop());
    CHECK(server.connections == 2);
  }
  {
    World world("smtp_connection_cache_on_demand = no\nsmtp_connection_cache_destinations = example.org\n");
    CHECK(world.config.cache_destinations().size() == 1);
  }
  {
    World world("smtp_connection_reuse_count_limit = 1\n");
    FakeServer server(world.loop, {good(), good()});
    world.deliver(server.nexthop());
    world.deliver(server.nexthop());
    CHECK(server.connections == 2);
  }
  {
    World world("smtp_connection_cache_time_limit = 60s\nsmtp_connection_reuse_time_limit = 30s\n");
    FakeServer server(world.loop, {good() + envelope_one_by_one() + taken, good()});
    world.deliver(server.nexthop());
    world.wait(Seconds{40});
    world.deliver(server.nexthop());
    CHECK(server.connections == 1);
    world.deliver(server.nexthop());
    CHECK(server.connections == 2);
  }
}

TEST_CASE("domains with the same server share its connection") {
  World world;
  FakeServer server(world.loop, {good() + envelope_one_by_one() + taken});
  for (const char* domain : {"one.example", "two.example"}) {
    world.resolver.add_mx(domain, 10, "mx.example");
  }
  world.resolver.add_address("mx.example", "127.0.0.1");
  world.deliver(fmt::format("one.example:{}", server.port()));
  world.deliver(fmt::format("two.example:{}", server.port()));
  CHECK(server.connections == 1);
  CHECK(world.last_use == 2);
}

TEST_CASE("three hundred deliveries go on at the same time") {
  World world;
  std::deque<std::string> scripts;
  for (int i = 0; i < 300; ++i) scripts.push_back(good());
  FakeServer server(world.loop, std::move(scripts));
  int sent = 0;
  const auto one = [](World& w, std::string nexthop, int& count) -> event::Task<> {
    const DeliveryReport report = co_await w.start(std::move(nexthop), 1);
    if (report.outcomes.at(0).kind == Kind::relayed) ++count;
  };
  event::TaskScope scope(world.loop);
  for (int i = 0; i < 300; ++i) scope.spawn(one(world, server.nexthop(), sent));
  world.loop.run_until_done(scope.join());
  CHECK(sent == 300);
  CHECK(server.contents.size() == 300);
}

// ---- LMTP

TEST_CASE("an LMTP server answers for each recipient") {
  World world("", "lmtp");
  const std::string path = "/tmp/postrider-lmtp-test-" + std::to_string(::getpid());
  FakeServer server(
      world.loop,
      {"S: 220 mail LMTP\nC: LHLO me.test\nS: 250-mail\nS: 250 PIPELINING\n"
       "C: *\nC: *\nC: *\nC: *\nC: *\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 550 5.1.1 who\nS: 250 ok\nS: 250 ok\n"
       "S: 354 go\nDATA\nS: 250 2.0.0 saved one\nS: 452 4.2.2 over quota\nS: 554 5.6.0 virus\n"},
      path);
  world.deliver("unix:" + path, 4);
  CHECK(server.complaints == "");
  REQUIRE(world.lines.size() == 4);
  const std::string relay = fmt::format("me.test[{}]", path);
  CHECK(world.lines[0] ==
        fmt::format("<user2@example.org> relay={0} dsn=5.1.1 bounced (host {0} said: 550 5.1.1 "
                    "who (in reply to RCPT TO command))",
                    relay));
  CHECK(world.lines[1] ==
        fmt::format("<user1@example.org> relay={} dsn=2.0.0 sent (250 2.0.0 saved one)", relay));
  CHECK(world.lines[2] ==
        fmt::format("<user3@example.org> relay={0} dsn=4.2.2 deferred (host {0} said: 452 4.2.2 "
                    "over quota (in reply to end of DATA command))",
                    relay));
  CHECK(has(world.lines[3], "<user4@example.org>"));
  CHECK(has(world.lines[3], "dsn=5.6.0 bounced"));
  ::unlink(path.c_str());
}

TEST_CASE("an LMTP server lost between two answers leaves the others deferred") {
  World world("", "lmtp");
  FakeServer server(world.loop, {"S: 220 mail LMTP\nC: LHLO me.test\nS: 250 mail\n" + envelope_one_by_one(2) +
                                 "DATA\nS: 250 2.0.0 saved one\nCLOSE\n"});
  const DeliveryReport report = world.deliver("inet:" + server.nexthop(), 2);
  REQUIRE(report.outcomes.size() == 2);
  CHECK(report.outcomes[0].kind == Kind::relayed);
  CHECK(report.outcomes[1].kind == Kind::deferred);
  CHECK(report.outcomes[1].dsn == "4.4.2");
}

TEST_CASE("an LMTP socket that is not there defers") {
  World world("", "lmtp");
  const DeliveryReport report = world.deliver("unix:/nonexistent/lmtp");
  CHECK(world.lines.at(0) ==
        "<user1@example.org> relay=none dsn=4.4.1 deferred (connect to "
        "me.test[/nonexistent/lmtp]: No such file or directory)");
  CHECK(report.destination == Health::dead);
}

TEST_CASE("flags=X of lmtp says that mail ends at the server") {
  World world("", "lmtp");
  world.here->flags = "X";
  FakeServer server(world.loop,
                    {"S: 220 mail LMTP\nC: LHLO me.test\nS: 250 mail\n" + envelope_one_by_one() + taken});
  CHECK(world.deliver("inet:" + server.nexthop()).outcomes[0].kind == Kind::delivered);
}
