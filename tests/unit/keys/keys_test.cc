#include <array>
#include <cstdlib>
#include <string>

#include <unistd.h>
#include <catch2/catch.hpp>

#include "keys/config.h"
#include "keys/key_store.h"
#include "keys/server.h"
#include "lib/daemon/tls_server.h"
#include "lib/event/scope.h"
#include "lib/os/socket.h"
#include "tests/unit/tls/authority.h"

using namespace postrider;
using tls::test::authority;
using tls::test::KeyKind;
using tls::test::leaf;

namespace {

using File = protocol::GetChains::File;

struct Directory {
  std::string path;
  Directory() {
    char name[] = "/tmp/postrider-keys-XXXXXX";
    if (!mkdtemp(name)) std::abort();
    path = name;
  }
  ~Directory() {
    const auto names = std::array{"rsa.key", "rsa.crt", "both.pem", "keys", "other.key"};
    for (const char* each : names) ::unlink((path + "/" + each).c_str());
    ::rmdir(path.c_str());
  }
  std::string file(const std::string& name, const std::string& text) const {
    if (!os::replace_file(os::system_files(), path + "/" + name, text, 0600)) std::abort();
    return path + "/" + name;
  }
};

// The files of one key with its certificate, and of a chain file with both kinds.
struct Configured : Directory {
  File pair, chain_file;
  Configured() {
    const auto& rsa = leaf(KeyKind::rsa2048);
    const auto& ec = leaf(KeyKind::p256);
    pair = {file("rsa.crt", rsa.certificate_pem + authority().pem()), file("rsa.key", rsa.key_pem)};
    chain_file = {"", file("both.pem", ec.key_pem + ec.certificate_pem + rsa.key_pem + rsa.certificate_pem)};
  }
  keys::KeyStore store() const {
    keys::KeyStore made;
    if (!made.add(os::system_files(), pair) || !made.add(os::system_files(), chain_file)) std::abort();
    return made;
  }
};

struct Serving {
  MemoryLog log;
  SystemClock clock;
  event::Loop loop{clock};
  event::StopSource stop;
  Configured configured;
  keys::Server server;
  event::TaskScope tasks{loop};

  explicit Serving(std::vector<uid_t> callers = {::geteuid()})
      : server(loop, log, configured.store(), Seconds{3600}, std::move(callers)) {}

  // What lib/daemon does for the real one.
  event::Task<> serve(os::Fd client) {
    ipc::Channel channel(loop, std::move(client), stop.token());
    try {
      while (true) {
        ipc::Frame frame = co_await channel.receive(no_deadline);
        co_await server.handle(channel, std::move(frame));
        co_await channel.flush(loop.after(Seconds{10}));
      }
    } catch (const io::Ended&) {
    }
  }
  event::Task<> listen(os::Fd listener) {
    event::Watch watch(loop, listener.get());
    while (!stop.stopped()) {
      auto client = os::accept(listener);
      if (client && *client) {
        tasks.spawn(serve(std::move(*client)));
        continue;
      }
      co_await watch.readable(no_deadline, stop.token());
    }
  }
};

template <class Reply, class Request>
Reply ask(Serving& serving, const Request& request) {
  auto pair = os::socket_pair();
  serving.tasks.spawn(serving.serve(std::move(pair->first)));
  ipc::Channel channel(serving.loop, std::move(pair->second));
  return serving.loop.run_until_done(channel.call<Reply>(request, serving.loop.after(Seconds{20})));
}

}  // namespace

TEST_CASE("keys finds the files that main.cf and master.cf name") {
  keys::KeysConfig config;
  config::Values values = config::Values::of_text(
      "smtpd_tls_chain_files = /k/one.pem, /k/two.pem\n"
      "imapd_tls_chain_files =\n"
      "imapd_tls_cert_file = /k/imap.crt\n"
      "imapd_tls_key_file = /k/imap.key\n");
  REQUIRE(config::load(values, config.sections()));
  const auto master = config::MasterCf::parse(
      "smtp inet n - - - - smtpd\n"
      "submission inet n - - - - smtpd -o smtpd_tls_chain_files=/k/submission.pem\n"
      "587 inet n - - - - smtpd -o smtpd_tls_ciphers=high\n"
      "pop3s inet n - - - - pop3d -o pop3d_tls_chain_files= -o pop3d_tls_cert_file=/k/pop.pem\n"
      "broken inet n - - - - smtpd -o smtpd_tls_loglevel=many\n",
      "master.cf");
  REQUIRE(master);
  const keys::KeyFiles found = keys::collect_files(config, values, &*master);
  std::string text;
  for (const File& file : found.files) text += file.certificate + "+" + file.key + "\n";
  CHECK(text ==
        "+/k/one.pem\n+/k/two.pem\n/k/imap.crt+/k/imap.key\n+/k/submission.pem\n/k/pop.pem+/k/pop.pem\n");
  REQUIRE(found.complaints.size() >= 1);
  CHECK(found.complaints[0].find("smtpd_tls_loglevel") != std::string::npos);
}

TEST_CASE("a store knows keys by id and explains what it could not read") {
  const Configured configured;
  keys::KeyStore store = configured.store();
  CHECK(store.size() == 2);
  CHECK(store.chains(configured.pair)->size() == 1);
  CHECK(store.chains(configured.chain_file)->size() == 2);
  for (const std::string& chain : *store.chains(configured.chain_file)) {
    CHECK(chain.find("PRIVATE") == std::string::npos);
  }
  const std::string other = configured.file("other.key", leaf(KeyKind::p384).key_pem);
  const File mismatched{configured.pair.certificate, other};
  CHECK_FALSE(store.add(os::system_files(), mismatched));
  CHECK(store.chains(mismatched)
            .error()
            .text()
            .find("does not belong to the certificate of \"mail.example.org\"") != std::string::npos);
  CHECK_FALSE(store.add(os::system_files(), {"", "/nonexistent/key.pem"}));
  CHECK(store.chains({"", "/nonexistent/key.pem"}).error().text().find("No such file") != std::string::npos);
  CHECK(store.chains({"", "/etc/passwd"}).error().text().find("has not read") != std::string::npos);
  CHECK(store.size() == 2);
}

TEST_CASE("signatures are made for keys that exist and requests that are signatures") {
  Serving serving;
  const auto key = tls::PrivateKey::from_pem(leaf(KeyKind::rsa2048).key_pem);
  tls::SignRequest good{key->key_id(), tls::SignatureKind::rsa_pss, tls::SignatureHash::sha256,
                        std::string(32, 'd')};
  CHECK(ask<protocol::Signed>(serving, protocol::Sign{good}).signature.size() == 256);
  tls::SignRequest unknown = good;
  unknown.key_id.back() = unknown.key_id.back() == '0' ? '1' : '0';
  CHECK(ask<protocol::Signed>(serving, protocol::Sign{unknown}).trouble == "no such private key");
  tls::SignRequest raw = good;
  raw.digest = std::string(64, 'c');
  CHECK(ask<protocol::Signed>(serving, protocol::Sign{raw}).signature.empty());
  CHECK(serving.log.contains("refused a private-key operation"));
}

TEST_CASE("processes of other users get no answer") {
  Serving serving({::geteuid() + 1});
  CHECK_THROWS_AS(ask<protocol::TicketKeys>(serving, protocol::GetTicketKeys{"smtpd"}), io::Ended);
  CHECK(serving.log.contains("may not use private keys"));
}

TEST_CASE("ticket keys are the same for all processes of a service and differ between services") {
  Serving serving;
  const auto one = ask<protocol::TicketKeys>(serving, protocol::GetTicketKeys{"smtpd"});
  const auto two = ask<protocol::TicketKeys>(serving, protocol::GetTicketKeys{"smtpd"});
  const auto other = ask<protocol::TicketKeys>(serving, protocol::GetTicketKeys{"imapd"});
  REQUIRE(one.keys.size() == 2);
  CHECK(one.keys[0].cipher == two.keys[0].cipher);
  CHECK(one.keys[0].cipher != other.keys[0].cipher);
  CHECK(one.renew > Seconds{3500});
}

TEST_CASE("a stream goes under TLS with its key in the keys process") {
  Serving serving;
  const std::string path = serving.configured.path + "/keys";
  serving.tasks.spawn(serving.listen(std::move(*os::listen_unix(path, 0600))));

  daemon::TlsServerConfig config{"smtpd"};
  config::Values values = config::Values::of_text(
      "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = " + serving.configured.chain_file.key + "\n");
  REQUIRE(config.load(values));
  daemon::TlsServer server(serving.loop, serving.log, config, "smtpd", {"smtp"}, serving.stop.token(), path);
  REQUIRE(server.start(serving.tasks));
  INFO(server.trouble());
  REQUIRE(server.offered());

  tls::ClientSettings client_settings;
  client_settings.ca_pem = authority().pem();
  const auto client = tls::ClientContext::make(client_settings);
  for (const char* excluded : {"aRSA", "aECDSA"}) {
    client_settings.strength = {.protocols = "TLSv1.2", .exclude_ciphers = excluded};
    const auto chosen = tls::ClientContext::make(client_settings);
    auto sockets = os::socket_pair();
    io::Stream accepting(serving.loop, std::move(sockets->first));
    io::Stream connecting(serving.loop, std::move(sockets->second));
    const auto serve = [](daemon::TlsServer& tls_server, io::Stream& stream, std::string& heard,
                          MonoTime deadline) -> event::Task<> {
      const auto info = co_await tls_server.accept(stream, deadline);
      if (!info) {
        heard = info.error().text();
        co_return;
      }
      const io::Line line = co_await stream.read_line(100, deadline);
      heard = info->protocol + " " + std::string(line.text);
    };
    const auto talk = [](io::Stream& stream, tls::Engine engine,
                         MonoTime deadline) -> event::Task<std::string> {
      const Result<> done = co_await stream.start_tls(std::move(engine), nullptr, deadline);
      if (!done) co_return done.error().text();
      stream.put("EHLO client\r\n");
      co_await stream.flush(deadline);
      co_return stream.engine()->info().trust == tls::Trust::verified ? "verified" : "not verified";
    };
    std::string heard;
    const MonoTime deadline = serving.loop.after(Seconds{20});
    serving.tasks.spawn(serve(server, accepting, heard, deadline));
    const tls::ClientTarget target{.server_name = "mail.example.org", .match_names = {"mail.example.org"}};
    const std::string said =
        serving.loop.run_until_done(talk(connecting, std::move(*chosen->connect(target)), deadline));
    CHECK(said == "verified");
    while (heard.empty()) serving.loop.run_until_done(serving.loop.sleep(Milliseconds{1}));
    CHECK(heard == "TLSv1.2 EHLO client");
  }
  serving.stop.stop();
  serving.loop.run_until_done(serving.tasks.join());
}

TEST_CASE("TLS parameters that make no sense stop the start, missing keys do not") {
  Serving serving;
  daemon::TlsServerConfig config{"pop3d"};
  config::Values wrong = config::Values::of_text(
      "smtpd_tls_security_level = may\nsmtpd_tls_protocols = TLSv9\nsmtpd_tls_chain_files = /k\n");
  REQUIRE(config.load(wrong));
  {
    daemon::TlsServer server(serving.loop, serving.log, config, "pop3d", {}, serving.stop.token(),
                             "/nonexistent");
    const Result<> started = server.start(serving.tasks);
    REQUIRE_FALSE(started);
    CHECK(started.error().is(Trouble::configuration));
    CHECK(started.error().text().find("TLSv9") != std::string::npos);
  }
  config::Values none = config::Values::of_text("smtpd_tls_security_level = may\n");
  REQUIRE(config.load(none));
  daemon::TlsServer server(serving.loop, serving.log, config, "pop3d", {}, serving.stop.token(),
                           "/nonexistent");
  REQUIRE(server.start(serving.tasks));
  CHECK_FALSE(server.offered());
  CHECK(serving.log.contains("no certificate: set pop3d_tls_chain_files"));
}
