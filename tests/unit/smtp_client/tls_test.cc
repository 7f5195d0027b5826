// STARTTLS: when it is used, what happens when it fails, and what a man in the middle can inject.
#include <fmt/core.h>
#include <catch2/catch.hpp>

#include "tests/unit/smtp_client/fake_server.h"
#include "tests/unit/smtp_client/world.h"
#include "tests/unit/tls/authority.h"

using namespace postrider;
using namespace postrider::smtp_client;
using namespace postrider::smtp_client::test;
using protocol::DeliveryReport;
using Kind = protocol::RecipientOutcome::Kind;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The keys process, here in this one.
class LocalSigner final : public io::KeySigner {
 public:
  explicit LocalSigner(const std::string& key_pem) {
    Result<tls::PrivateKey> key = tls::PrivateKey::from_pem(key_pem);
    if (!key) std::abort();
    key_.emplace(std::move(*key));
  }
  event::Task<Result<std::string>> sign(tls::SignRequest request, MonoTime) override {
    co_return key_->sign(request);
  }

 private:
  std::optional<tls::PrivateKey> key_;
};

const tls::test::Authority& authority() {
  static const tls::test::Authority made("Test authority");
  return made;
}

struct TlsServer {
  tls::test::Made leaf = authority().issue({"localhost.example", "127.0.0.1"}, tls::test::KeyKind::p256);
  LocalSigner signer{leaf.key_pem};
  tls::ServerContext context = [this] {
    tls::ServerSettings settings;
    settings.service = "smtpd";
    settings.chains = {leaf.certificate_pem};
    Result<tls::ServerContext> made = tls::ServerContext::make(settings);
    if (!made) std::abort();
    return std::move(*made);
  }();
  FakeServer server;
  TlsServer(event::Loop& loop, std::deque<std::string> scripts) : server(loop, std::move(scripts)) {
    server.tls = &context;
    server.keys = &signer;
  }
};

void turn_on(World& world) {
  tls::ClientSettings settings;
  settings.strength = world.config.strength();
  settings.ca_pem = authority().pem();
  Result<tls::ClientContext> context = tls::ClientContext::make(settings);
  if (!context) FAIL(context.error().text());
  world.here->tls = std::move(*context);
}

const std::string offer = hello("STARTTLS");
const std::string encrypted = "C: STARTTLS\nS: 220 go ahead\nTLS\nC: EHLO me.test\nS: 250 sink.test\n";

}  // namespace

TEST_CASE("at level may a message goes under TLS, and what was offered in clear is forgotten") {
  World world("smtp_tls_security_level = may\nsmtp_tls_loglevel = 1\n");
  turn_on(world);
  TlsServer t(world.loop, {hello("STARTTLS,PIPELINING,SIZE 5") + encrypted + envelope_one_by_one() + taken});
  CHECK(world.deliver(t.server.nexthop()).outcomes[0].kind == Kind::relayed);
  CHECK(t.server.complaints == "");
  CHECK(has(world.log.text(), fmt::format("Trusted TLS connection established to {}:{}: TLSv1.3 with cipher ",
                                          t.server.label(), t.server.port())));
}

TEST_CASE("without a level TLS is not used, and an offer is logged when asked for") {
  World world("smtp_tls_note_starttls_offer = yes\n");
  TlsServer t(world.loop, {offer + envelope_one_by_one() + taken});
  CHECK(world.deliver(t.server.nexthop()).outcomes[0].kind == Kind::relayed);
  CHECK(world.log.contains("Host offered STARTTLS: [127.0.0.1]\n"));
}

TEST_CASE("replies injected behind the one to STARTTLS are thrown away") {
  World world("smtp_tls_security_level = encrypt\n");
  turn_on(world);
  // CVE-2021-38371: the attacker's 250 in clear would count as the answer to EHLO under TLS.
  TlsServer t(world.loop,
              {offer +
               "C: STARTTLS\nS: 220 go ahead\nS: 250-evil.example\nS: 250 SIZE 1\nTLS\n"
               "C: EHLO me.test\nS: 250-sink.test\nS: 250 SIZE 100000\n"
               "C: MAIL FROM:<sender@me.test> SIZE=21\nS: 250 ok\nC: *\nS: 250 ok\nC: DATA\nS: 354 go\n" +
               taken});
  CHECK(world.deliver(t.server.nexthop()).outcomes[0].kind == Kind::relayed);
  CHECK(t.server.complaints == "");
  CHECK(has(world.log.text(), "in clear after STARTTLS"));
}

TEST_CASE("when the handshake fails at level may the message goes in clear on a new connection") {
  World world("smtp_tls_security_level = may\n");
  turn_on(world);
  TlsServer t(
      world.loop,
      {offer + "C: STARTTLS\nS: 220 go ahead\nS: this is no TLS at all, but a long line of text\nHANG\n",
       offer + envelope_one_by_one() + taken});
  CHECK(world.deliver(t.server.nexthop()).outcomes[0].kind == Kind::relayed);
  CHECK(t.server.connections == 2);
  CHECK(
      has(world.log.text(), fmt::format("SSL_connect error to {}:{}: ", t.server.label(), t.server.port())));
  CHECK(world.log.contains("0F00A1234567: Cannot start TLS: handshake failure\n"));
}

TEST_CASE("a server that closes, or falls silent, in the handshake counts as failed handshake") {
  for (const char* end : {"CLOSE\n", "HANG\n"}) {
    World world("smtp_tls_security_level = may\nsmtp_starttls_timeout = 5s\n");
    turn_on(world);
    TlsServer t(world.loop,
                {offer + "C: STARTTLS\nS: 220 go ahead\n" + end, offer + envelope_one_by_one() + taken});
    CHECK(world.deliver(t.server.nexthop()).outcomes[0].kind == Kind::relayed);
    CHECK(t.server.connections == 2);
  }
}

TEST_CASE("at level encrypt nothing is sent in clear") {
  struct Case {
    std::string script, reason, dsn;
  };
  const Case cases[] = {
      {hello(""), "TLS is required, but was not offered by host 127.0.0.1[127.0.0.1]", "4.7.4"},
      {offer + "C: STARTTLS\nS: 454 4.7.0 not now\n",
       "TLS is required, but host 127.0.0.1[127.0.0.1] refused to start TLS: 454 4.7.0 not now", "4.7.4"},
      {offer + "C: STARTTLS\nS: 220 go ahead\nS: this is no TLS at all, but a long line of text\nHANG\n",
       "Cannot start TLS: handshake failure", "4.7.5"},
  };
  for (const Case& one : cases) {
    World world("smtp_tls_security_level = encrypt\n");
    turn_on(world);
    TlsServer t(world.loop, {one.script, offer + envelope_one_by_one() + taken});
    const DeliveryReport report = world.deliver(t.server.nexthop());
    CHECK(report.outcomes[0].kind == Kind::deferred);
    CHECK(report.outcomes[0].dsn == one.dsn);
    CHECK(report.outcomes[0].reason == one.reason);
    CHECK(t.server.connections == 1);
    for (const std::string& line : t.server.heard) CHECK_FALSE(line.starts_with("MAIL"));
  }
}

TEST_CASE("at level verify the certificate must be for the server and from a known authority") {
  World world("smtp_tls_security_level = verify\n");
  turn_on(world);
  TlsServer t(world.loop, {offer + encrypted + envelope_one_by_one() + taken, offer + encrypted});
  world.resolver.add_address("localhost.example", "127.0.0.1");
  world.resolver.add_address("other.example", "127.0.0.1");
  CHECK(world.deliver(fmt::format("[localhost.example]:{}", t.server.port())).outcomes[0].kind ==
        Kind::relayed);
  const DeliveryReport report = world.deliver(fmt::format("[other.example]:{}", t.server.port()));
  CHECK(report.outcomes[0].kind == Kind::deferred);
  CHECK(report.outcomes[0].reason == "Server certificate not verified");
}

TEST_CASE("TLS from the first byte for servers that want it") {
  World world("smtp_tls_security_level = encrypt\nsmtp_tls_wrappermode = yes\n");
  turn_on(world);
  TlsServer t(world.loop, {"TLS\n" + hello("") + envelope_one_by_one() + taken});
  CHECK(world.deliver(t.server.nexthop()).outcomes[0].kind == Kind::relayed);
  CHECK(t.server.complaints == "");
}

TEST_CASE("a connection under TLS is kept for the next message") {
  World world("smtp_tls_security_level = encrypt\n");
  turn_on(world);
  TlsServer t(world.loop,
              {offer + encrypted + envelope_one_by_one() + taken + envelope_one_by_one() + taken});
  world.deliver(t.server.nexthop());
  world.deliver(t.server.nexthop());
  CHECK(t.server.connections == 1);
  CHECK(world.last_use == 2);
}
