#include "master/listen_plan.h"

#include <map>

#include <catch2/catch.hpp>

using namespace postrider;
using namespace postrider::master;
using address::IpAddress;
using config::Service;
using config::ServiceType;

namespace {

class FixedNames final : public Names {
 public:
  std::optional<std::uint16_t> port(const std::string& service) override {
    if (service == "smtp") return std::uint16_t{25};
    if (service == "submission") return std::uint16_t{587};
    return std::nullopt;
  }
  std::vector<IpAddress> addresses(const std::string& host) override {
    if (host == "localhost") return {*IpAddress::parse("127.0.0.1"), *IpAddress::parse("::1")};
    if (host == "mail.example.org") return {*IpAddress::parse("192.0.2.7")};
    return {};
  }
};

Interfaces interfaces(std::vector<std::string> where, std::vector<std::string> protocols = {"all"}) {
  FixedNames names;
  const auto result = parse_interfaces(where, protocols, names);
  REQUIRE(result);
  return *result;
}

// "0.0.0.0:25 [::]:25", or the error.
std::string plan(const std::string& name, ServiceType type, const Interfaces& where,
                 bool is_private = false) {
  FixedNames names;
  Service service;
  service.name = name;
  service.type = type;
  service.is_private = is_private;
  service.line = 12;
  const auto sockets = plan_sockets(service, "/etc/master.cf", where, names);
  if (!sockets) {
    CHECK(sockets.error().is(Trouble::configuration));
    return sockets.error().text();
  }
  std::string text;
  for (const SocketPlan& socket : *sockets) {
    if (!text.empty()) text += ' ';
    text += socket.text();
    if (!socket.needed) text += '?';
  }
  return text;
}

}  // namespace

TEST_CASE("an inet service listens where its name and inet_interfaces say") {
  struct Case {
    const char* name;
    std::vector<std::string> where;
    std::vector<std::string> protocols;
    const char* sockets;
  };
  const Case cases[] = {
      {"smtp", {"all"}, {"all"}, "0.0.0.0:25? [::]:25?"},
      {"smtp", {"all"}, {"ipv4"}, "0.0.0.0:25"},
      {"2525", {"all"}, {"ipv6"}, "[::]:2525"},
      {"smtp", {"loopback-only"}, {"all"}, "127.0.0.1:25? [::1]:25?"},
      {"smtp", {"loopback-only"}, {"ipv4"}, "127.0.0.1:25"},
      {"smtp",
       {"192.0.2.1", "[2001:db8::1]", "2001:db8::2"},
       {"all"},
       "192.0.2.1:25 [2001:db8::1]:25 [2001:db8::2]:25"},
      {"smtp", {"192.0.2.1", "2001:db8::2"}, {"ipv4"}, "192.0.2.1:25"},
      {"smtp", {"mail.example.org", "localhost"}, {"all"}, "192.0.2.7:25 127.0.0.1:25 [::1]:25"},
      {"submission", {"192.0.2.1", "192.0.2.1"}, {"all"}, "192.0.2.1:587"},
      {"127.0.0.1:10025", {"192.0.2.1"}, {"all"}, "127.0.0.1:10025"},
      {"[127.0.0.1]:10025", {"all"}, {"all"}, "127.0.0.1:10025"},
      {"[::1]:smtp", {"192.0.2.1"}, {"all"}, "[::1]:25"},
      {"localhost:10025", {"all"}, {"all"}, "127.0.0.1:10025? [::1]:10025?"},
      {"localhost:10025", {"all"}, {"ipv4"}, "127.0.0.1:10025"},
      {"mail.example.org:65535", {"all"}, {"all"}, "192.0.2.7:65535"},
  };
  for (const Case& one : cases) {
    INFO(one.name);
    CHECK(plan(one.name, ServiceType::inet, interfaces(one.where, one.protocols)) == one.sockets);
  }
}

TEST_CASE("an inet service that cannot be understood names file, line and service") {
  const Interfaces all = interfaces({"all"});
  const char* const bad[] = {
      "",        "nosuch",    "0",          "65536",    "-1",  ":25", "::1:25", "[::1]",   "[::1]25",
      "[::1]:0", "nohost:25", "127.0.0.1:", "host:1:2", "25 ", "+25", "[x]:25", "1.2.3:25"};
  for (const char* name : bad) {
    const std::string text = plan(name, ServiceType::inet, all);
    INFO(name);
    CHECK(text.starts_with("/etc/master.cf: line 12: "));
    CHECK(text.find('"' + std::string(name).substr(0, 1)) != std::string::npos);
  }
  CHECK(plan("[::1]:25", ServiceType::inet, interfaces({"all"}, {"ipv4"})) ==
        "/etc/master.cf: line 12: service \"[::1]:25\": host \"[::1]\" has no address under inet_protocols");
}

TEST_CASE("local services live in private or public, FIFOs take triggers from everybody") {
  const Interfaces all = interfaces({"all"});
  CHECK(plan("rewrite", ServiceType::unix_stream, all, true) == "private/rewrite");
  CHECK(plan("cleanup", ServiceType::unix_stream, all, false) == "public/cleanup");
  CHECK(plan("smtpd", ServiceType::pass, all, true) == "private/smtpd");
  CHECK(plan("postlog", ServiceType::unix_datagram, all, false) == "public/postlog");
  CHECK(plan("pickup", ServiceType::fifo, all, false) == "public/pickup");

  FixedNames names;
  Service service;
  service.name = "pickup";
  service.type = ServiceType::fifo;
  CHECK((*plan_sockets(service, "", all, names))[0].mode == 0622);
  service.type = ServiceType::unix_datagram;
  CHECK((*plan_sockets(service, "", all, names))[0].kind == SocketPlan::Kind::unix_datagram);
  CHECK((*plan_sockets(service, "", all, names))[0].mode == 0666);
}

TEST_CASE("a local service cannot leave its directory") {
  const Interfaces all = interfaces({"all"});
  for (const char* name : {"../maildrop/x", "/tmp/x", "a/../../b", ".", "a//b", "a/"}) {
    INFO(name);
    CHECK(plan(name, ServiceType::unix_stream, all, true)
              .starts_with("/etc/master.cf: line 12: bad service name"));
  }
  CHECK(plan(std::string(120, 'x'), ServiceType::unix_stream, all).find("too long") != std::string::npos);
}

TEST_CASE("interfaces and protocols that make no sense are told apart") {
  FixedNames names;
  const auto text = [&](std::vector<std::string> where, std::vector<std::string> protocols) {
    const auto result = parse_interfaces(where, protocols, names);
    return result ? std::string("accepted") : result.error().text();
  };
  CHECK(text({"all"}, {"ipv5"}) == "bad value for parameter inet_protocols: \"ipv5\": use ipv4, ipv6 or all");
  CHECK(text({"all"}, {}) == "parameter inet_protocols is empty: use ipv4, ipv6 or all");
  CHECK(text({"nohost"}, {"all"}) == "parameter inet_interfaces: host not found: nohost");
  CHECK(text({"all", "192.0.2.1"}, {"all"}) ==
        "parameter inet_interfaces: \"all\" and \"loopback-only\" must stand alone");
  CHECK(text({"2001:db8::1"}, {"ipv4"}) ==
        "parameter inet_interfaces names no address of a family in inet_protocols");
  CHECK(text({}, {"all"}) == "parameter inet_interfaces names no address of a family in inet_protocols");
  CHECK(text({"ALL"}, {"IPv4", "IPv6"}) == "accepted");
}

TEST_CASE("a reload keeps what is the same, opens what is new and closes what is gone") {
  const auto socket = [](const char* host, std::uint16_t port) {
    return SocketPlan{SocketPlan::Kind::inet, {host, port}, 0, true};
  };
  const SocketPlan fifo{SocketPlan::Kind::fifo, {"public/pickup", 0}, 0622, true};
  SocketPlan stream = fifo;
  stream.kind = SocketPlan::Kind::unix_stream;
  const auto changes = compare({socket("0.0.0.0", 25), socket("0.0.0.0", 587), fifo},
                               {socket("0.0.0.0", 587), socket("127.0.0.1", 25), stream});
  REQUIRE(changes.kept.size() == 1);
  CHECK(changes.kept[0].text() == "0.0.0.0:587");
  REQUIRE(changes.opened.size() == 2);
  CHECK(changes.opened[0].text() == "127.0.0.1:25");
  CHECK(changes.opened[1].kind == SocketPlan::Kind::unix_stream);
  REQUIRE(changes.closed.size() == 2);
  CHECK(changes.closed[0].text() == "0.0.0.0:25");
  CHECK(changes.closed[1].kind == SocketPlan::Kind::fifo);
}

TEST_CASE("the system knows its own names") {
  CHECK(system_names().port("smtp") == 25);
  CHECK_FALSE(system_names().port("no-such-service"));
  const auto local = system_names().addresses("localhost");
  REQUIRE_FALSE(local.empty());
  for (const IpAddress& address : local) CHECK(address.is_loopback());
}
