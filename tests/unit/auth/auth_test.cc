#include <cstdlib>
#include <string>

#include <unistd.h>
#include <catch2/catch.hpp>

#include "auth/penalties.h"
#include "auth/server.h"
#include "auth/system_checker.h"
#include "auth/tickets.h"
#include "lib/event/scope.h"
#include "lib/io/ended.h"
#include "lib/os/socket.h"
#include "lib/sasl/passwd_file.h"

using namespace postrider;
using Kind = protocol::AuthStep::Kind;

namespace {

struct Serving {
  MemoryLog log;
  ManualClock clock;
  event::Loop loop{clock};
  event::StopSource stop;
  std::string path;
  std::unique_ptr<sasl::Authenticator> users;
  std::unique_ptr<sasl::Mechanisms> mechanisms;
  std::unique_ptr<auth::Server> server;
  event::TaskScope tasks{loop};

  explicit Serving(auth::ServerSettings settings = {.failure_delay = Seconds{2},
                                                    .failure_delay_limit = Seconds{15},
                                                    .smtp_cleartext = false,
                                                    .servers = {::geteuid()},
                                                    .starters = {::geteuid()}}) {
    char name[] = "/tmp/postrider-auth-XXXXXX";
    ::close(::mkstemp(name));
    path = name;
    const std::string text =
        "ann@example.org:{PLAIN}secret:1001:1002::/mail/ann::userdb_mail=maildir:~/Maildir\n"
        "bob:{PLAIN}secret\n"
        "toor:{PLAIN}secret:0:0::/root\n";
    if (!os::replace_file(os::system_files(), path, text, 0600)) std::abort();
    std::vector<std::unique_ptr<sasl::UserDatabase>> databases;
    databases.push_back(std::move(*sasl::PasswdFile::open(os::system_files(), clock, log, path)));
    users = std::make_unique<sasl::Authenticator>(log, std::move(databases));
    auto loaded = sasl::Mechanisms::load(
        *users, log,
        {.wanted = {"PLAIN", "LOGIN", "CRAM-MD5"}, .host_name = "mail.example.org", .plugin_directory = ""});
    if (!loaded) FAIL(loaded.error().text());
    mechanisms = std::move(*loaded);
    server = std::make_unique<auth::Server>(loop, log, *mechanisms, std::move(settings), stop.token());
  }
  ~Serving() { ::unlink(path.c_str()); }

  // What lib/daemon does for the real one.
  event::Task<> serve(os::Fd client) {
    ipc::Channel channel(loop, std::move(client), stop.token());
    try {
      while (true) {
        ipc::Frame frame = co_await channel.receive(no_deadline);
        co_await server->handle(channel, std::move(frame));
        co_await channel.flush(loop.after(Seconds{10}));
      }
    } catch (const io::Ended&) {
    }
  }
};

struct Caller {
  Serving& serving;
  ipc::Channel channel;

  explicit Caller(Serving& at) : Caller(at, std::move(*os::socket_pair())) {}
  Caller(Serving& at, std::pair<os::Fd, os::Fd> pair)
      : serving(at), channel(at.loop, std::move(pair.second)) {
    at.tasks.spawn(at.serve(std::move(pair.first)));
  }
  template <class Reply, class Request>
  Reply ask(const Request& request) {
    return serving.loop.run_until_done(channel.call<Reply>(request, serving.loop.after(Seconds{1000})));
  }
  protocol::AuthStep start(const std::string& mechanism, const std::optional<std::string>& initial,
                           const std::string& service = "smtp", const std::string& client = "192.0.2.7") {
    protocol::AuthStart request;
    request.service = service;
    request.mechanism = mechanism;
    request.client_address = client;
    request.secure = true;
    request.has_initial = initial.has_value();
    request.initial = initial.value_or("");
    return ask<protocol::AuthStep>(request);
  }
  protocol::AuthStep next(const std::string& response) {
    return ask<protocol::AuthStep>(protocol::AuthContinue{response});
  }
};

std::string plain(const std::string& user, const std::string& password) {
  return std::string(1, '\0') + user + '\0' + password;
}

}  // namespace

TEST_CASE("mechanisms are listed by what the connection may carry") {
  Serving serving;
  Caller caller(serving);
  CHECK(caller.ask<protocol::Mechanisms>(protocol::ListMechanisms{"smtp", true}).names.size() == 3);
  CHECK(caller.ask<protocol::Mechanisms>(protocol::ListMechanisms{"smtp", false}).names ==
        std::vector<std::string>{"CRAM-MD5"});
}

TEST_CASE("a login succeeds and its ticket tells who the user is, once, to the right service") {
  Serving serving;
  Caller caller(serving);
  const auto step = caller.start("PLAIN", plain("Ann@Example.Org", "secret"), "pop3");
  CHECK(step.kind == Kind::success);
  CHECK(step.user == "ann@example.org");
  REQUIRE(step.ticket.size() == 32);
  const auto record = caller.ask<protocol::UserRecord>(protocol::RedeemTicket{step.ticket, "pop3"});
  CHECK(record.found);
  CHECK(record.user == "ann@example.org");
  CHECK(record.uid == 1001);
  CHECK(record.gid == 1002);
  CHECK(record.home == "/mail/ann");
  CHECK(record.mail == "maildir:~/Maildir");
  CHECK_FALSE(caller.ask<protocol::UserRecord>(protocol::RedeemTicket{step.ticket, "pop3"}).found);
  const auto second = caller.start("PLAIN", plain("ann@example.org", "secret"), "pop3");
  CHECK_FALSE(caller.ask<protocol::UserRecord>(protocol::RedeemTicket{second.ticket, "imap"}).found);
  CHECK_FALSE(caller.ask<protocol::UserRecord>(protocol::RedeemTicket{second.ticket, "pop3"}).found);
  CHECK_FALSE(caller.ask<protocol::UserRecord>(protocol::RedeemTicket{"", "pop3"}).found);
}

TEST_CASE("users without uid and users of uid 0 log in but have no mailbox") {
  Serving serving;
  Caller caller(serving);
  for (const char* user : {"bob", "toor"}) {
    const auto step = caller.start("PLAIN", plain(user, "secret"), "pop3");
    REQUIRE(step.kind == Kind::success);
    const auto record = caller.ask<protocol::UserRecord>(protocol::RedeemTicket{step.ticket, "pop3"});
    CHECK_FALSE(record.found);
    CHECK(record.temporary);
  }
  CHECK(serving.log.contains("auth_default_uid"));
}

TEST_CASE("exchanges of several steps, cancelled and begun again, on one connection") {
  Serving serving;
  Caller caller(serving);
  CHECK(caller.start("LOGIN", std::nullopt).data == "Username:");
  CHECK(caller.next("ann@example.org").data == "Password:");
  CHECK(caller.next("secret").kind == Kind::success);
  for (int i = 0; i < 50; ++i) {
    CHECK(caller.start("CRAM-MD5", std::nullopt).kind == Kind::challenge);
    caller.channel.put(protocol::AuthCancel{});
  }
  CHECK(caller.start("PLAIN", plain("bob", "secret")).kind == Kind::success);
  CHECK(caller.start("GSSAPI", std::nullopt).kind == Kind::bad_mechanism);
}

TEST_CASE("nonsense in one exchange does not disturb another") {
  Serving serving;
  Caller good(serving);
  Caller bad(serving);
  REQUIRE(good.start("LOGIN", std::nullopt).kind == Kind::challenge);
  CHECK(bad.start("PLAIN", std::string("\xff\0\0\0", 4)).kind != Kind::success);
  bad.channel.put(protocol::AuthContinue{"out of order"});
  CHECK_THROWS_AS(bad.ask<protocol::Mechanisms>(protocol::ListMechanisms{"smtp", true}), io::Ended);
  CHECK(good.next("bob").kind == Kind::challenge);
  CHECK(good.next("secret").kind == Kind::success);
}

TEST_CASE("the answer to a failure is held back, longer each time") {
  Serving serving;
  Caller caller(serving);
  const auto waited = [&](const std::string& password, const std::string& client) {
    const MonoTime before = serving.clock.mono();
    const auto step = caller.start("PLAIN", plain("bob", password), "smtp", client);
    CHECK(step.kind == (password == "secret" ? Kind::success : Kind::failure));
    CHECK(step.user == "bob");
    return std::chrono::duration_cast<Seconds>(serving.clock.mono() - before).count();
  };
  CHECK(waited("wrong", "192.0.2.7") == 2);
  CHECK(waited("wrong", "192.0.2.7") == 4);
  CHECK(waited("wrong", "192.0.2.7") == 8);
  CHECK(waited("wrong", "192.0.2.7") == 15);
  CHECK(waited("wrong", "192.0.2.8") == 2);
  CHECK(waited("secret", "192.0.2.7") == 0);
  CHECK(waited("wrong", "127.0.0.1") == 2);
  CHECK(waited("wrong", "127.0.0.1") == 2);
}

TEST_CASE("processes of other users can neither log in nor ask about users") {
  Serving serving({.servers = {::geteuid() + 1}, .starters = {::geteuid() + 1}});
  Caller one(serving);
  CHECK_THROWS_AS(one.start("PLAIN", plain("bob", "secret")), io::Ended);
  Caller two(serving);
  CHECK_THROWS_AS(two.ask<protocol::UserRecord>(protocol::RedeemTicket{"x", "pop3"}), io::Ended);
}

TEST_CASE("penalties fade, count networks of IPv6 and have a bound") {
  ManualClock clock;
  auth::Penalties penalties(clock, Seconds{1}, Seconds{60});
  CHECK(penalties.failed("2001:db8::1") == Seconds{1});
  CHECK(penalties.failed("2001:db8::2") == Seconds{2});
  CHECK(penalties.failed("2001:db8:0:1::2") == Seconds{1});
  clock.advance(auth::Penalties::memory);
  CHECK(penalties.failed("2001:db8::3") == Seconds{1});
  penalties.succeeded("2001:db8::4");
  CHECK(penalties.size() == 1);
  for (int i = 0; i < 100; ++i) CHECK(penalties.failed("192.0.2.1") <= Seconds{60});
  for (unsigned i = 0; i < 30'000; ++i) {
    penalties.failed("10." + std::to_string(i >> 16 & 255) + "." + std::to_string(i >> 8 & 255) + "." +
                     std::to_string(i & 255));
  }
  CHECK(penalties.size() == auth::Penalties::capacity);
}

TEST_CASE("tickets end with their time and with too many of them") {
  ManualClock clock;
  auth::Tickets tickets(clock);
  const std::string first = tickets.issue("ann", "pop3");
  clock.advance(auth::Tickets::lifetime);
  CHECK_FALSE(tickets.redeem(first, "pop3"));
  const std::string second = tickets.issue("ann", "pop3");
  for (std::size_t i = 0; i < auth::Tickets::capacity; ++i) tickets.issue("x", "pop3");
  CHECK(tickets.size() == auth::Tickets::capacity);
  CHECK_FALSE(tickets.redeem(second, "pop3"));
}

TEST_CASE("the process that verifies system passwords answers several at a time, and its end is noticed") {
  auto checker = auth::SystemChecker::start(
      [](const std::string& user, const std::string& password) -> auth::SystemVerdict {
        if (user == "crash") ::_exit(1);
        return {password == user + "!" ? sasl::Verdict::match : sasl::Verdict::mismatch, "because"};
      },
      2, [](const std::vector<int>&) {});
  REQUIRE(checker);
  for (int i = 0; i < 20; ++i) CHECK((*checker)->ask("ann", "ann!").verdict == sasl::Verdict::match);
  const auto wrong = (*checker)->ask("ann", std::string("x\0y", 3));
  CHECK(wrong.verdict == sasl::Verdict::mismatch);
  CHECK(wrong.explanation == "because");
  CHECK((*checker)->ask("ann", std::string(600, 'x')).verdict == sasl::Verdict::mismatch);
  CHECK((*checker)->ask("crash", "x").verdict == sasl::Verdict::temporary);
  CHECK((*checker)->ask("ann", "ann!").verdict == sasl::Verdict::temporary);
}
