#include "lib/tls/engine.h"

#include <array>
#include <random>

#include <catch2/catch.hpp>

#include "tests/unit/tls/authority.h"
#include "tests/unit/tls/inside.h"

using namespace postrider;
using namespace postrider::tls;
using namespace postrider::tls::test;

namespace {

ClientContext client_context(const std::string& protocols = ">=TLSv1.2") {
  ClientSettings settings;
  settings.strength.protocols = protocols;
  settings.ca_pem = authority().pem();
  return std::move(*ClientContext::make(settings));
}

ServerContext server_context(const ServerSettings& settings) {
  auto made = ServerContext::make(settings);
  if (!made) FAIL(made.error().text());
  return std::move(*made);
}

const std::array<std::string, 2> versions{"TLSv1.2", "TLSv1.3"};

}  // namespace

TEST_CASE("every key type signs handshakes from outside, in both protocol versions") {
  for (const KeyKind kind :
       {KeyKind::rsa2048, KeyKind::rsa3072, KeyKind::rsa4096, KeyKind::p256, KeyKind::p384}) {
    const ServerContext server = server_context(server_settings(kind));
    for (const std::string& version : versions) {
      Pair pair = make_pair(server, client_context(version),
                            {.server_name = "mail.example.org", .match_names = {"mail.example.org"}}, {kind});
      INFO("key " << static_cast<int>(kind) << " " << version);
      const bool agreed = pair.handshake();
      INFO(pair.server.error().text() << " / " << pair.client.error().text());
      REQUIRE(agreed);
      CHECK(pair.signatures == 1);
      CHECK(pair.server.info().protocol == version);
      CHECK(pair.client.info().trust == Trust::verified);
      CHECK(pair.server.server_name() == "mail.example.org");
      CHECK(carry(pair, pair.client, pair.server, "EHLO client\r\n") == "EHLO client\r\n");
      CHECK(carry(pair, pair.server, pair.client, std::string(100'000, 'x')) == std::string(100'000, 'x'));
    }
  }
}

TEST_CASE("the log line says what Postfix's says") {
  const ServerContext server = server_context(server_settings(KeyKind::rsa2048));
  Pair pair = make_pair(server, client_context("TLSv1.3"), {}, {KeyKind::rsa2048});
  REQUIRE(pair.handshake());
  const std::string expected =
      "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 "
      "server-signature RSA-PSS (2048 bits) server-digest SHA256";
  CHECK(summary(pair.server.info()) == expected);
  CHECK(summary(pair.client.info()) == expected);
  CHECK(std::string(trust_name(pair.server.info().trust)) == "Anonymous");

  const ServerContext ec = server_context(server_settings(KeyKind::p256));
  Pair second = make_pair(ec, client_context("TLSv1.2"), {}, {KeyKind::p256});
  REQUIRE(second.handshake());
  CHECK(summary(second.server.info()) == "TLSv1.2 with cipher ECDHE-ECDSA-AES256-GCM-SHA384 (256/256 bits)");
}

TEST_CASE("a connection survives being fed byte by byte") {
  const ServerContext server = server_context(server_settings(KeyKind::p256));
  for (const std::string& version : versions) {
    Pair pair = make_pair(server, client_context(version), {}, {KeyKind::p256});
    pair.step_bytes = 1;
    REQUIRE(pair.handshake());
    CHECK(carry(pair, pair.client, pair.server, std::string(3000, 'a')) == std::string(3000, 'a'));
    CHECK(carry(pair, pair.server, pair.client, "250 Ok\r\n") == "250 Ok\r\n");
  }
}

TEST_CASE("several keys serve one name, and the client's abilities choose") {
  ServerSettings settings = server_settings(KeyKind::rsa2048);
  settings.chains.push_back(leaf(KeyKind::p256).certificate_pem);
  const ServerContext server = server_context(settings);
  CHECK(server.key_ids().size() == 2);
  Pair pair = make_pair(server, client_context("TLSv1.3"), {}, {KeyKind::rsa2048, KeyKind::p256});
  REQUIRE(pair.handshake());
  CHECK(pair.server.info().local_signature == "ECDSA (P-256)");

  ClientSettings rsa_only;
  rsa_only.strength = {.protocols = "TLSv1.2", .exclude_ciphers = "aECDSA"};
  const ClientContext client = std::move(*ClientContext::make(rsa_only));
  Pair second = make_pair(server, client, {}, {KeyKind::rsa2048, KeyKind::p256});
  REQUIRE(second.handshake());
  CHECK(second.server.info().cipher == "ECDHE-RSA-AES256-GCM-SHA384");
}

TEST_CASE("a close is told apart from a cut") {
  const ServerContext server = server_context(server_settings(KeyKind::p256));
  Pair pair = make_pair(server, client_context(), {}, {KeyKind::p256});
  REQUIRE(pair.handshake());
  std::array<char, 100> buffer{};
  std::size_t size = 0;
  CHECK(pair.server.read_plain(buffer, size) == Step::want_input);
  REQUIRE(pair.client.shutdown() == Step::done);
  pair.pump();
  CHECK(pair.server.read_plain(buffer, size) == Step::closed);
  CHECK(pair.server.read_plain(buffer, size) == Step::closed);
  CHECK(pair.server.write_plain("still open this way") == Step::done);
  CHECK(pair.server.shutdown() == Step::done);
}

TEST_CASE("garbage instead of a ClientHello fails and answers with an alert at most") {
  const ServerContext server = server_context(server_settings(KeyKind::p256));
  for (const std::string_view bytes :
       {"EHLO client.example.org\r\nMAIL FROM:<>\r\n", "GET / HTTP/1.1\r\n\r\n",
        "\x16\x03\x01\xff\xff\x01\xff\xff\xff", "\x80\x2e\x01\x03\x01 and so on"}) {
    Engine engine = std::move(*server.accept());
    engine.feed(bytes);
    Step step = engine.handshake();
    if (step == Step::want_input) {
      engine.feed(std::string(20'000, '\0'));
      step = engine.handshake();
    }
    CHECK(step == Step::failed);
    CHECK(engine.error().is(Trouble::peer));
    CHECK(engine.take_output().size() <= 32);
    CHECK(engine.handshake() == Step::failed);
  }
}

TEST_CASE("random damage to a handshake never does more than fail it") {
  const ServerContext server = server_context(server_settings(KeyKind::p256));
  const ClientContext client = client_context();
  std::minstd_rand random(7);
  int failures = 0;
  for (int round = 0; round < 300; ++round) {
    Pair pair = make_pair(server, client, {.server_name = "mail.example.org"}, {KeyKind::p256});
    pair.client.handshake();
    std::string hello = pair.client.take_output();
    hello[random() % hello.size()] ^= static_cast<char>(1 + random() % 255);
    if (round % 3 == 0) hello.resize(random() % hello.size());
    pair.server.feed(hello);
    Step step = pair.server.handshake();
    if (step == Step::want_key) {
      pair.server.answer_key(std::string(random() % 100, 'x'));
      step = pair.server.handshake();
    }
    failures += step == Step::failed;
  }
  CHECK(failures > 50);
}

TEST_CASE("an Engine may be given up while its signature is outstanding") {
  const ServerContext server = server_context(server_settings(KeyKind::rsa2048));
  for (int round = 0; round < 50; ++round) {
    Pair pair = make_pair(server, client_context(), {}, {});
    pair.client.handshake();
    pair.server.feed(pair.client.take_output());
    REQUIRE(pair.server.handshake() == Step::want_key);
    CHECK(pair.server.handshake() == Step::want_key);
    Engine moved = std::move(pair.server);
    CHECK(valid(moved.sign_request()));
  }
  trim_memory();
}

TEST_CASE("memory is not given back under a handshake that waits") {
  const ServerContext server = server_context(server_settings(KeyKind::p256));
  Pair pair = make_pair(server, client_context(), {}, {KeyKind::p256});
  pair.client.handshake();
  pair.server.feed(pair.client.take_output());
  REQUIRE(pair.server.handshake() == Step::want_key);
  trim_memory();
  Pair other = make_pair(server, client_context(), {}, {KeyKind::p256});
  CHECK(other.handshake());
  trim_memory();
  CHECK(pair.handshake());
  trim_memory();
}

TEST_CASE("a signature that cannot be had fails the handshake with its own reason") {
  const ServerContext server = server_context(server_settings(KeyKind::rsa2048));
  Pair pair = make_pair(server, client_context(), {}, {KeyKind::rsa2048});
  pair.refuse_key = true;
  CHECK_FALSE(pair.handshake());
  CHECK(pair.server_step == Step::failed);
  CHECK(pair.server.error().text() == "the keys service is gone");
  CHECK(pair.server.error().is(Trouble::temporary));
}

TEST_CASE("a wrong signature is noticed by the client") {
  const ServerContext server = server_context(server_settings(KeyKind::rsa2048));
  Pair pair = make_pair(server, client_context(), {}, {});
  pair.client.handshake();
  pair.server.feed(pair.client.take_output());
  REQUIRE(pair.server.handshake() == Step::want_key);
  pair.server.answer_key(std::string(256, '\1'));
  CHECK_FALSE(pair.handshake());
  CHECK(pair.client_step == Step::failed);
}

TEST_CASE("plain data is neither taken nor given before the handshake is over") {
  const ServerContext server = server_context(server_settings(KeyKind::p256));
  Engine engine = std::move(*server.accept());
  std::array<char, 10> buffer{};
  std::size_t size = 0;
  CHECK(engine.read_plain(buffer, size) == Step::failed);
  Engine other = std::move(*server.accept());
  CHECK(other.write_plain("220 early") == Step::failed);
  CHECK_FALSE(other.has_output());
}

TEST_CASE("a renegotiation is refused") {
  // RFC 5746 is not enough: CVE-2009-3555 and CPU exhaustion. A second ClientHello inside the session is
  // what a client under TLS 1.2 would send; here as application data of the wrong kind.
  const ServerContext server = server_context(server_settings(KeyKind::p256));
  Pair pair = make_pair(server, client_context("TLSv1.2"), {}, {KeyKind::p256});
  REQUIRE(pair.handshake());
  REQUIRE(renegotiate(pair.client));
  pair.pump();
  std::array<char, 100> buffer{};
  std::size_t size = 0;
  const Step step = pair.server.read_plain(buffer, size);
  CHECK((step == Step::want_input || step == Step::failed));
  CHECK(pair.signatures == 1);
  CHECK_FALSE(finish_renegotiation(pair));
}

TEST_CASE("clients that offer only other protocols by ALPN are refused") {
  ServerSettings settings = server_settings(KeyKind::p256, "imapd");
  settings.alpn = {"imap"};
  const ServerContext server = server_context(settings);
  Pair http = make_pair(server, client_context(), {.alpn = {"h2", "http/1.1"}}, {KeyKind::p256});
  CHECK_FALSE(http.handshake());
  CHECK(http.client.error().text().find("no application protocol") != std::string::npos);
  Pair imap = make_pair(server, client_context(), {.alpn = {"managesieve", "imap"}}, {KeyKind::p256});
  REQUIRE(imap.handshake());
  CHECK(imap.server.info().alpn == "imap");
  Pair silent = make_pair(server, client_context(), {}, {KeyKind::p256});
  CHECK(silent.handshake());
}

TEST_CASE("server names choose certificates, exactly or below a domain") {
  const Made other = authority().issue({"other.example.net", "*.wild.example"}, KeyKind::p256);
  ServerSettings settings = server_settings(KeyKind::rsa2048);
  settings.names = {{"other.example.net", {other.certificate_pem}},
                    {".wild.example", {other.certificate_pem}}};
  const ServerContext server = server_context(settings);
  for (const auto& [asked, trust] :
       {std::pair{"OTHER.example.net", Trust::verified}, std::pair{"a.wild.example", Trust::verified},
        std::pair{"mail.example.org", Trust::verified}, std::pair{"a.b.wild.example", Trust::trusted},
        std::pair{"unknown.example", Trust::trusted}}) {
    Pair pair = make_pair(server, client_context(), {.server_name = asked, .match_names = {asked}},
                          {KeyKind::rsa2048});
    pair.keys.push_back(std::move(*PrivateKey::from_pem(other.key_pem)));
    INFO(asked);
    REQUIRE(pair.handshake());
    CHECK(pair.client.info().trust == trust);
  }
}

TEST_CASE("server names of every length and kind do no harm") {
  const ServerContext server = server_context(server_settings(KeyKind::p256));
  const ClientContext client = client_context();
  const auto hear = [&](const std::string& name, std::string& heard) {
    Engine asking = std::move(*client.connect({.server_name = "abcde"}));
    asking.handshake();
    Engine engine = std::move(*server.accept());
    engine.feed(with_server_name(asking.take_output(), "abcde", name));
    const Step step = engine.handshake();
    heard = engine.server_name();
    return step;
  };
  std::string heard;
  for (const std::size_t length : {5U, 63U, 253U, 254U, 255U, 256U, 300U, 12000U}) {
    const Step step = hear(std::string(length, 'A'), heard);
    INFO(length);
    CHECK(step == (length <= 255 ? Step::want_key : Step::failed));
    CHECK(heard == (length <= 255 ? std::string(length, 'a') : ""));
  }
  for (const std::string name : {"back\\slash\\", "ab\ncd", "q'--;drop", "\xff\xfe\xfd\xfc\xfb"}) {
    CHECK(hear(name, heard) == Step::want_key);
    CHECK(heard.empty());
  }
  CHECK(hear(std::string("ab\0cd", 5), heard) == Step::failed);
}

TEST_CASE("both ends compute the same channel binding") {
  const ServerContext server = server_context(server_settings(KeyKind::p256));
  for (const std::string& version : versions) {
    Pair pair = make_pair(server, client_context(version), {}, {KeyKind::p256});
    REQUIRE(pair.handshake());
    CHECK(pair.server.channel_binding().size() >= 12);
    CHECK(pair.server.channel_binding() == pair.client.channel_binding());
  }
}

TEST_CASE("a hundred connections leave nothing behind, and an idle one holds no buffers") {
  const ServerContext server = server_context(server_settings(KeyKind::p256));
  const ClientContext client = client_context();
  const auto once = [&](const std::string& name) {
    Pair pair = make_pair(server, client, {.server_name = name}, {KeyKind::p256});
    return pair.handshake() && carry(pair, pair.client, pair.server, "x") == "x";
  };
  REQUIRE(once("warm.up"));
  trim_memory();
  const long before = live_bytes();
  for (int i = 0; i < 100; ++i) REQUIRE(once("host" + std::to_string(i) + ".example"));
  trim_memory();
  CHECK(live_bytes() - before < 4096);

  std::vector<Engine> idle;
  const long bytes_before = live_bytes();
  for (int i = 0; i < 50; ++i) {
    Pair pair = make_pair(server, client, {.server_name = "mail.example.org"}, {KeyKind::p256});
    REQUIRE(pair.handshake());
    REQUIRE(carry(pair, pair.client, pair.server, "EHLO x\r\n") == "EHLO x\r\n");
    REQUIRE(carry(pair, pair.server, pair.client, "250 x\r\n") == "250 x\r\n");
    idle.push_back(std::move(pair.server));
  }
  trim_memory();
  const long each = (live_bytes() - bytes_before) / 50;
  INFO(each << " bytes per idle connection");
  CHECK(each < 32 * 1024);
}
