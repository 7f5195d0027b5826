#include <catch2/catch.hpp>

#include "lib/dns/client_name.h"
#include "lib/dns/unbound_resolver.h"
#include "lib/io/ended.h"
#include "tests/unit/dns/packet.h"

using namespace postrider;
using namespace postrider::dns;
using namespace postrider::dns::test;
using namespace std::chrono_literals;

namespace {

// A resolver that asks a server of ours.
struct Fixture {
  SystemClock clock;
  event::Loop loop{clock};
  Server server{loop};
  event::StopSource stop;
  std::unique_ptr<UnboundResolver> resolver;
  Fixture() {
    ResolverSettings settings;
    settings.forwarder = server.forwarder();
    auto opened = UnboundResolver::open(loop, settings, stop.token());
    if (!opened) FAIL(opened.error().text());
    resolver = std::move(*opened);
  }
  Result<Answer> ask(const std::string& name, Type type, Microseconds patience = 20s) {
    return loop.run_until_done(resolver->lookup(name, type, loop.after(patience)));
  }
  ClientName name_of(const std::string& ip, const Hosts& hosts = {}) {
    return loop.run_until_done(
        verified_name(*resolver, hosts, *address::IpAddress::parse(ip), loop.after(20s)));
  }
};

}  // namespace

TEST_CASE("MX and address records come from the server that is named") {
  Fixture f;
  f.server.replies["example.org 15"] = {
      {mx("example.org", 20, "b.example.org"), mx("example.org", 10, "a.example.org")}};
  f.server.replies["a.example.org 1"] = {{a("a.example.org", "192.0.2.1")}};
  f.server.replies["a.example.org 28"] = {{a("a.example.org", "2001:db8::1")}};
  const Result<Answer> list = f.ask("example.org", Type::mx);
  REQUIRE(list);
  CHECK(list->found());
  CHECK(list->records.size() == 2);
  CHECK_FALSE(list->secure);
  const Result<Answer> v4 = f.ask("a.example.org.", Type::a);
  REQUIRE(v4);
  REQUIRE(v4->records.size() == 1);
  CHECK(v4->records[0].ip.text() == "192.0.2.1");
  const Result<Answer> v6 = f.ask("a.example.org", Type::aaaa);
  REQUIRE(v6);
  REQUIRE(v6->records.size() == 1);
  CHECK(v6->records[0].ip.text() == "2001:db8::1");
}

TEST_CASE("no name, no data and no answer are three things") {
  Fixture f;
  f.server.replies["here.example 1"] = {{a("here.example", "192.0.2.1")}};
  f.server.replies["here.example 15"] = {};
  f.server.replies["broken.example 15"] = {{}, 2};
  const Result<Answer> none = f.ask("nowhere.example", Type::mx);
  REQUIRE(none);
  CHECK(none->outcome == Answer::Outcome::no_name);
  const Result<Answer> empty = f.ask("here.example", Type::mx);
  REQUIRE(empty);
  CHECK(empty->outcome == Answer::Outcome::no_data);
  const Result<Answer> broken = f.ask("broken.example", Type::mx);
  REQUIRE_FALSE(broken);
  CHECK(broken.error().is(Trouble::temporary));
  CHECK(broken.error().text() == "Host not found, try again");
}

TEST_CASE("an alias leads to the records of another name") {
  Fixture f;
  f.server.replies["www.example.org 1"] = {
      {named("www.example.org", 5, "host.example.org"), a("host.example.org", "192.0.2.7")}};
  f.server.replies["host.example.org 1"] = {{a("host.example.org", "192.0.2.7")}};
  const Result<Answer> answer = f.ask("www.example.org", Type::a);
  REQUIRE(answer);
  REQUIRE(answer->records.size() == 1);
  CHECK(answer->name == "host.example.org");
}

TEST_CASE("a server that is silent costs the deadline and no more") {
  Fixture f;
  f.server.replies["slow.example 1"] = {{}, 0, true};
  const MonoTime start = f.loop.now();
  const Result<Answer> answer = f.ask("slow.example", Type::a, 300ms);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().is(Trouble::temporary));
  CHECK(f.loop.now() - start < 5s);
  // The question is still with libunbound; others are answered meanwhile, and the resolver may end.
  CHECK(f.resolver->under_way() == 1);
  f.server.replies["quick.example 1"] = {{a("quick.example", "192.0.2.1")}};
  CHECK(f.ask("quick.example", Type::a));
}

TEST_CASE("names that cannot be asked for are refused without a question") {
  Fixture f;
  for (const std::string& name :
       {std::string(), std::string("."), std::string("a..b"), std::string("a b"), std::string("a\\032b"),
        std::string(64, 'x') + ".org", std::string(300, 'x'), std::string("b\xc3\xbc.org"),
        std::string("nul\0.org", 8)}) {
    const Result<Answer> answer = f.ask(name, Type::a);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().is(Trouble::permanent));
  }
  CHECK(f.server.asked == 0);
}

TEST_CASE("many questions are under way at once, and a repeated one is asked once") {
  Fixture f;
  for (int i = 0; i < 300; ++i) {
    const std::string name = "h" + std::to_string(i) + ".example";
    f.server.replies[name + " 1"] = {{a(name, "192.0.2.1")}};
  }
  int found = 0;
  const auto ask = [](Fixture& fixture, std::string name, int& count) -> event::Task<> {
    const Result<Answer> answer = co_await fixture.resolver->lookup(name, Type::a, fixture.loop.after(20s));
    if (answer && answer->records.size() == 1) ++count;
  };
  event::TaskScope scope(f.loop);
  for (int i = 0; i < 300; ++i)
    for (int twice = 0; twice < 2; ++twice) scope.spawn(ask(f, "h" + std::to_string(i) + ".example", found));
  f.loop.run_until_done(scope.join());
  CHECK(found == 600);
  CHECK(f.resolver->under_way() == 0);
}

TEST_CASE("a stop ends the wait for an answer") {
  Fixture f;
  f.server.replies["slow.example 1"] = {{}, 0, true};
  const auto ask = [](Fixture& fixture, bool& stopped) -> event::Task<> {
    try {
      co_await fixture.resolver->lookup("slow.example", Type::a, no_deadline);
    } catch (const io::Ended& ended) {
      stopped = ended.why == io::Ended::Why::stopped;
    }
  };
  bool stopped = false;
  event::TaskScope scope(f.loop);
  scope.spawn(ask(f, stopped));
  f.stop.stop();
  f.loop.run_until_done(scope.join());
  CHECK(stopped);
}

TEST_CASE("a client's name is believed when it leads back to the address") {
  Fixture f;
  f.server.replies["1.2.0.192.in-addr.arpa 12"] = {{named("1.2.0.192.in-addr.arpa", 12, "mail.example")}};
  f.server.replies["mail.example 1"] = {{a("mail.example", "192.0.2.200"), a("mail.example", "192.0.2.1")}};
  f.server.replies["2.2.0.192.in-addr.arpa 12"] = {{named("2.2.0.192.in-addr.arpa", 12, "mail.example")}};
  f.server.replies["3.2.0.192.in-addr.arpa 12"] = {{named("3.2.0.192.in-addr.arpa", 12, "gone.example")}};
  f.server.replies["4.2.0.192.in-addr.arpa 12"] = {{}, 2};

  const ClientName good = f.name_of("192.0.2.1");
  CHECK(good.name == "mail.example");
  CHECK(good.status == ClientName::Status::verified);
  CHECK(good.trouble.empty());

  const ClientName forged = f.name_of("192.0.2.2");
  CHECK(forged.name == "unknown");
  CHECK(forged.reverse_name == "mail.example");
  CHECK(forged.status == ClientName::Status::forged);
  CHECK(forged.trouble == "hostname mail.example does not resolve to address 192.0.2.2");

  const ClientName gone = f.name_of("192.0.2.3");
  CHECK(gone.name == "unknown");
  CHECK(gone.trouble ==
        "hostname gone.example does not resolve to address 192.0.2.3: Name or service not known");

  CHECK(f.name_of("192.0.2.4").status == ClientName::Status::temporary);
  CHECK(f.name_of("192.0.2.5").status == ClientName::Status::absent);
}

TEST_CASE("reverse zones of private networks are asked for") {
  Fixture f;
  f.server.replies["9.0.168.192.in-addr.arpa 12"] = {{named("9.0.168.192.in-addr.arpa", 12, "printer.test")}};
  f.server.replies["printer.test 1"] = {{a("printer.test", "192.168.0.9")}};
  CHECK(f.name_of("192.168.0.9").reverse_name == "printer.test");
  CHECK(f.name_of("192.168.0.9").name == "printer.test");
}

TEST_CASE("names in the hosts file need no DNS") {
  Fixture f;
  const Hosts hosts = Hosts::parse(
      "# ours\n127.0.0.1\tlocalhost\n::1 localhost ip6-localhost\n10.0.0.5 box.lan Box # x\nbad line\n");
  CHECK(f.name_of("127.0.0.1", hosts).name == "localhost");
  CHECK(f.name_of("::1", hosts).name == "localhost");
  CHECK(f.name_of("10.0.0.5", hosts).name == "box.lan");
  CHECK(f.server.asked == 0);
  CHECK(hosts.addresses("BOX").size() == 1);
  CHECK(hosts.addresses("localhost").size() == 2);
  CHECK(hosts.addresses("bad").empty());
}

TEST_CASE("localhost is known without any server") {
  Fixture f;
  const Result<Answer> answer = f.ask("localhost", Type::a);
  REQUIRE(answer);
  REQUIRE(answer->records.size() == 1);
  CHECK(answer->records[0].ip.text() == "127.0.0.1");
  CHECK(f.server.asked == 0);
}

TEST_CASE("behind a name server without DNSSEC, permissive validation answers as insecure") {
  SystemClock clock;
  event::Loop loop(clock);
  Server server(loop);
  server.replies["plain.example 1"] = {{a("plain.example", "192.0.2.1")}};
  ResolverSettings settings;
  settings.forwarder = server.forwarder();
  settings.trust_anchor_file = "/usr/share/dns/root.key";
  settings.permissive = true;
  auto resolver = UnboundResolver::open(loop, settings);
  REQUIRE(resolver);
  const Result<Answer> answer =
      loop.run_until_done((*resolver)->lookup("plain.example", Type::a, loop.after(30s)));
  REQUIRE(answer);
  REQUIRE(answer->records.size() == 1);
  CHECK_FALSE(answer->secure);

  settings.permissive = false;
  auto strict = UnboundResolver::open(loop, settings);
  REQUIRE(strict);
  const Result<Answer> refused =
      loop.run_until_done((*strict)->lookup("plain.example", Type::a, loop.after(30s)));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().is(Trouble::temporary));
}
