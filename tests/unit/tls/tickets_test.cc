#include <array>

#include <catch2/catch.hpp>

#include "lib/tls/context.h"
#include "tests/unit/tls/authority.h"

using namespace postrider;
using namespace postrider::tls;
using namespace postrider::tls::test;

namespace {

ClientContext client_context(const std::string& protocols) {
  ClientSettings settings;
  settings.strength.protocols = protocols;
  settings.ca_pem = authority().pem();
  return std::move(*ClientContext::make(settings));
}

ServerContext server_context(const std::string& service, const std::vector<TicketKey>& keys,
                             ClientCertificates certificates = ClientCertificates::ignore) {
  ServerSettings settings = server_settings(KeyKind::p256, service);
  settings.client_certificates = certificates;
  ServerContext context = std::move(*ServerContext::make(settings));
  context.set_ticket_keys(keys);
  return context;
}

// A session that `server` gave out, "" when it gave none.
std::string session_from(const ServerContext& server, const ClientContext& client, const std::string& name) {
  Pair pair = make_pair(server, client, {.server_name = name}, {KeyKind::p256});
  REQUIRE(pair.handshake());
  REQUIRE(carry(pair, pair.server, pair.client, "220 hello") == "220 hello");
  return pair.client.session();
}

bool resumes(const ServerContext& server, const ClientContext& client, const std::string& name,
             const std::string& session) {
  Pair pair = make_pair(server, client, {.server_name = name, .session = session}, {KeyKind::p256});
  REQUIRE(pair.handshake());
  CHECK(pair.server.info().resumed == pair.client.info().resumed);
  CHECK(pair.signatures == (pair.server.info().resumed ? 0 : 1));
  return pair.server.info().resumed;
}

const std::array<std::string, 2> versions{"TLSv1.2", "TLSv1.3"};

}  // namespace

TEST_CASE("a ticket resumes the session without a private-key operation") {
  const ServerContext server = server_context("smtpd", {ticket_key('a')});
  for (const std::string& version : versions) {
    const ClientContext client = client_context(version);
    const std::string session = session_from(server, client, "mail.example.org");
    REQUIRE_FALSE(session.empty());
    CHECK(resumes(server, client, "mail.example.org", session));
  }
}

TEST_CASE("a ticket is good for its service, name and way of verifying only") {
  const std::vector<TicketKey> keys{ticket_key('a')};
  const ServerContext server = server_context("smtpd", keys);
  for (const std::string& version : versions) {
    const ClientContext client = client_context(version);
    const std::string session = session_from(server, client, "mail.example.org");
    CHECK_FALSE(resumes(server_context("imapd", keys), client, "mail.example.org", session));
    CHECK_FALSE(resumes(server, client, "other.example.org", session));
    CHECK_FALSE(resumes(server, client, "", session));
    CHECK_FALSE(
        resumes(server_context("smtpd", keys, ClientCertificates::ask), client, "mail.example.org", session));
    CHECK(resumes(server_context("smtpd", keys), client, "mail.example.org", session));
  }
}

TEST_CASE("rotated keys accept the tickets of their predecessors until those are dropped") {
  ServerContext server = server_context("smtpd", {ticket_key('a')});
  for (const std::string& version : versions) {
    server.set_ticket_keys({ticket_key('a')});
    const ClientContext client = client_context(version);
    const std::string session = session_from(server, client, "mail.example.org");
    server.set_ticket_keys({ticket_key('b'), ticket_key('a')});
    CHECK(resumes(server, client, "mail.example.org", session));
    server.set_ticket_keys({ticket_key('b')});
    CHECK_FALSE(resumes(server, client, "mail.example.org", session));
  }
}

TEST_CASE("without ticket keys no session can be resumed and no ticket is made") {
  ServerContext server = server_context("smtpd", {});
  for (const std::string& version : versions) {
    const ClientContext client = client_context(version);
    const std::string session = session_from(server, client, "mail.example.org");
    if (!session.empty()) CHECK_FALSE(resumes(server, client, "mail.example.org", session));
  }
}

TEST_CASE("a foreign or cut session is as good as none") {
  const ServerContext server = server_context("smtpd", {ticket_key('a')});
  const ClientContext client = client_context("TLSv1.3");
  const std::string session = session_from(server, client, "mail.example.org");
  CHECK_FALSE(resumes(server, client, "mail.example.org", session.substr(0, session.size() / 2)));
  CHECK_FALSE(resumes(server, client, "mail.example.org", "not a session"));
}
