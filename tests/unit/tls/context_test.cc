#include "lib/tls/context.h"

#include <cstdlib>

#include <catch2/catch.hpp>

#include "lib/os/files.h"
#include "lib/tls/strength.h"
#include "tests/unit/tls/authority.h"

using namespace postrider;
using namespace postrider::tls;
using namespace postrider::tls::test;

TEST_CASE("protocol lists are read as Postfix reads them") {
  struct Case {
    const char* text;
    int lowest, highest;
  };
  for (const Case& c :
       std::initializer_list<Case>{{">=TLSv1.2", TLS1_2_VERSION, TLS1_3_VERSION},
                                   {"!SSLv2, !SSLv3, !TLSv1, !TLSv1.1", TLS1_2_VERSION, TLS1_3_VERSION},
                                   {"!SSLv2 !TLSv1", TLS1_2_VERSION, TLS1_3_VERSION},
                                   {"", TLS1_2_VERSION, TLS1_3_VERSION},
                                   {">=TLSv1", TLS1_2_VERSION, TLS1_3_VERSION},
                                   {"<=TLSv1.2", TLS1_2_VERSION, TLS1_2_VERSION},
                                   {">=0x0304", TLS1_3_VERSION, TLS1_3_VERSION},
                                   {"tlsv1.3", TLS1_3_VERSION, TLS1_3_VERSION},
                                   {"TLSv1.2:TLSv1.3", TLS1_2_VERSION, TLS1_3_VERSION},
                                   {"!TLSv1.3", TLS1_2_VERSION, TLS1_2_VERSION}}) {
    const auto protocols = parse_protocols(c.text, TLS1_2_VERSION);
    INFO(c.text);
    REQUIRE(protocols);
    CHECK(protocols->lowest == c.lowest);
    CHECK(protocols->highest == c.highest);
  }
  const auto hole = parse_protocols("!TLSv1.2", TLS1_VERSION);
  REQUIRE(hole);
  CHECK(hole->lowest == TLS1_VERSION);
  CHECK((hole->options & SSL_OP_NO_TLSv1_2) != 0);
}

TEST_CASE("protocol and cipher mistakes are configuration errors that name the word") {
  CHECK(parse_protocols("TLSv1.4", TLS1_2_VERSION).error().text().find("\"TLSv1.4\"") != std::string::npos);
  CHECK(parse_protocols("TLSv1", TLS1_2_VERSION).error().is(Trouble::configuration));
  CHECK(parse_protocols(">= TLSv1.2", TLS1_2_VERSION).error().is(Trouble::configuration));
  for (const Strength& strength : {Strength{.grade = "null"}, Strength{.grade = "best"},
                                   Strength{.exclude_ciphers = "RC4;ls"}, Strength{.curves = "P-257"}}) {
    ServerSettings settings = server_settings(KeyKind::p256);
    settings.strength = strength;
    const auto made = ServerContext::make(settings);
    REQUIRE_FALSE(made);
    CHECK(made.error().is(Trouble::configuration));
  }
}

TEST_CASE("excluded ciphers are not agreed on, and decrypting key exchanges never") {
  ServerSettings settings = server_settings(KeyKind::rsa2048);
  settings.strength.exclude_ciphers = "AES256, CHACHA20";
  const ServerContext server = std::move(*ServerContext::make(settings));
  ClientSettings client_settings;
  client_settings.strength.protocols = "TLSv1.2";
  Pair pair = make_pair(server, std::move(*ClientContext::make(client_settings)), {}, {KeyKind::rsa2048});
  REQUIRE(pair.handshake());
  CHECK(pair.server.info().cipher.find("AES256") == std::string::npos);

  client_settings.strength.exclude_ciphers = "kECDHE kDHE";  // leaves RSA key exchange
  Pair refused = make_pair(server, std::move(*ClientContext::make(client_settings)), {}, {KeyKind::rsa2048});
  CHECK_FALSE(refused.handshake());
  CHECK(refused.server.error().text().find("no shared cipher") != std::string::npos);
}

TEST_CASE("a server context takes no private key and no useless certificate") {
  for (const std::string& chain :
       {leaf(KeyKind::p256).key_pem + leaf(KeyKind::p256).certificate_pem, std::string("nothing"),
        std::string(), leaf(KeyKind::p256).certificate_pem.substr(0, 200) + "\n-----END CERTIFICATE-----\n",
        authority().issue({"x.example"}, KeyKind::ed25519).certificate_pem}) {
    ServerSettings settings = server_settings(KeyKind::p256);
    settings.chains = {chain};
    const auto made = ServerContext::make(settings);
    REQUIRE_FALSE(made);
    CHECK(made.error().is(Trouble::configuration));
  }
}

TEST_CASE("trust says what was verified, and never stops the handshake") {
  const ServerContext server = std::move(*ServerContext::make(server_settings(KeyKind::p256)));
  ClientSettings knowing;
  knowing.ca_pem = authority().pem();
  const ClientTarget right{.server_name = "mail.example.org", .match_names = {"mail.example.org"}};
  const ClientTarget wrong{.server_name = "mail.example.org", .match_names = {"mail.example.com"}};
  const auto trust = [&](const ClientSettings& settings, const ClientTarget& target) {
    Pair pair = make_pair(server, std::move(*ClientContext::make(settings)), target, {KeyKind::p256});
    REQUIRE(pair.handshake());
    const Info info = pair.client.info();
    CHECK(info.peer_subject == "mail.example.org");
    CHECK(info.peer_issuer == "Test Authority");
    CHECK(info.peer_fingerprint.size() == 95);
    CHECK(info.verify_error.empty() == (info.trust != Trust::untrusted));
    return info.trust;
  };
  CHECK(trust(knowing, right) == Trust::verified);
  CHECK(trust(knowing, wrong) == Trust::trusted);
  CHECK(trust(ClientSettings{}, right) == Trust::untrusted);
}

TEST_CASE("authorities are read from a directory of hashed names, and a missing directory is told") {
  char directory[] = "/tmp/postrider-ca-XXXXXX";
  REQUIRE(mkdtemp(directory) != nullptr);
  const std::string path = directory;
  const std::vector<std::string> names{"0a1b2c3d.0", "0a1b2c3d.1", "readme.txt"};
  REQUIRE(os::replace_file(os::system_files(), path + "/" + names[0], authority().pem(), 0600));
  REQUIRE(os::replace_file(os::system_files(), path + "/" + names[1], "not a certificate", 0600));
  REQUIRE(os::replace_file(os::system_files(), path + "/" + names[2], "nothing", 0600));
  ClientSettings settings;
  settings.ca_directory = path;
  const auto client = ClientContext::make(settings);
  for (const std::string& name : names) REQUIRE(os::system_files().unlink(path + "/" + name));
  REQUIRE(os::system_files().rmdir(path));
  REQUIRE(client);
  const ServerContext server = std::move(*ServerContext::make(server_settings(KeyKind::p256)));
  Pair pair = make_pair(server, *client, {.match_names = {"mail.example.org"}}, {KeyKind::p256});
  REQUIRE(pair.handshake());
  CHECK(pair.client.info().trust == Trust::verified);
  CHECK(ClientContext::make(settings).error().is(Trouble::not_found));
}

TEST_CASE("contexts may go while their connections live") {
  auto server =
      std::make_unique<ServerContext>(std::move(*ServerContext::make(server_settings(KeyKind::p256))));
  auto client = std::make_unique<ClientContext>(std::move(*ClientContext::make({})));
  server->set_ticket_keys({ticket_key('a')});
  Pair pair = make_pair(*server, *client, {}, {KeyKind::p256});
  server.reset();
  client.reset();
  CHECK(pair.handshake());
}
