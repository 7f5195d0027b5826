#include <cstdlib>
#include <string>

#include <unistd.h>
#include <catch2/catch.hpp>

#include "auth/dovecot_protocol.h"
#include "auth/dovecot_session.h"
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
  std::unique_ptr<auth::Logins> logins;
  std::unique_ptr<auth::Server> server;
  event::TaskScope tasks{loop};

  explicit Serving(auth::Callers callers = {{::geteuid()}, {::geteuid()}, false}) {
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
    const auth::LoginSettings settings{
        .failure_delay = Seconds{2}, .failure_delay_limit = Seconds{15}, .smtp_cleartext = false};
    logins = std::make_unique<auth::Logins>(loop, *mechanisms, settings, stop.token());
    server = std::make_unique<auth::Server>(loop, log, *logins, std::move(callers));
  }
  ~Serving() { ::unlink(path.c_str()); }

  // What lib/daemon does for the real one.
  event::Task<> serve(os::Fd client) {
    ipc::Channel channel(loop, std::move(client), stop.token());
    try {
      while (true) {
        ipc::Frame frame = co_await channel.receive(no_deadline);
        co_await server->converse(channel, std::move(frame));
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
  Serving serving({{::geteuid() + 1}, {::geteuid() + 1}, false});
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

// ---- Dovecot's protocol

namespace {

// A client of a DovecotSession: lines out, lines in.
struct DovecotClient {
  Serving& serving;
  io::Stream stream;

  explicit DovecotClient(Serving& at) : DovecotClient(at, std::move(*os::socket_pair())) {}
  DovecotClient(Serving& at, std::pair<os::Fd, os::Fd> pair)
      : serving(at), stream(at.loop, std::move(pair.second)) {
    at.tasks.spawn(serve(at, std::move(pair.first)));
  }
  static event::Task<> serve(Serving& at, os::Fd client) {
    auth::DovecotSession session(at.loop, *at.logins, std::move(client), 7, at.stop.token());
    co_await session.run();
  }
  std::string line() {
    const auto read = [](io::Stream& from, MonoTime deadline) -> event::Task<std::string> {
      try {
        const io::Line got = co_await from.read_line(20'000, deadline);
        co_return std::string(got.text);
      } catch (const io::Ended&) {
      }
      co_return "(closed)";
    };
    return serving.loop.run_until_done(read(stream, serving.loop.after(Seconds{100})));
  }
  std::string greeting() {
    std::string text;
    for (std::string got = line(); got != "(closed)"; got = line()) {
      text += got + "\n";
      if (got == "DONE") break;
    }
    return text;
  }
  void say(const std::string& text) {
    stream.put(text);
    serving.loop.run_until_done(stream.flush(serving.loop.after(Seconds{10})));
  }
};

std::string auth_line(const std::string& id, const std::string& user, const std::string& password) {
  return "AUTH\t" + id + "\tPLAIN\tservice=smtp\tnologin\tlip=192.0.2.1\trip=192.0.2.7\tsecured\tresp=" +
         base64_encode(plain(user, password)) + "\n";
}

}  // namespace

TEST_CASE("the whole handshake of Dovecot's protocol is sent before the client says a word") {
  Serving serving;
  DovecotClient client(serving);
  const std::string text = client.greeting();
  CHECK(
      text.starts_with("VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\n"
                       "MECH\tCRAM-MD5\tdictionary\tactive\nSPID\t"));
  CHECK(text.find("\nCUID\t7\nCOOKIE\t") != std::string::npos);
  CHECK(text.ends_with("\nDONE\n"));
}

TEST_CASE("logins by Dovecot's protocol, several at a time on one connection") {
  Serving serving;
  DovecotClient client(serving);
  client.greeting();
  client.say("VERSION\t1\t0\nCPID\t4711\n");
  client.say(auth_line("1", "bob", "wrong") + auth_line("2", "bob", "secret"));
  CHECK(client.line() == "OK\t2\tuser=bob");  // not held up by the other's failure
  CHECK(client.line() == "FAIL\t1\tuser=bob");
  client.say("AUTH\t3\tLOGIN\tservice=smtp\tsecured\n");
  CHECK(client.line() == "CONT\t3\t" + base64_encode("Username:"));
  client.say("CONT\t3\t" + base64_encode("ann@example.org") + "\n");
  CHECK(client.line() == "CONT\t3\t" + base64_encode("Password:"));
  client.say("CONT\t3\t" + base64_encode("secret") + "\n");
  CHECK(client.line() == "OK\t3\tuser=ann@example.org");
  client.say("AUTH\t4\tNTLM\tservice=smtp\n");
  CHECK(client.line() == "FAIL\t4\treason=Unsupported authentication mechanism.");
  client.say("AUTH\t5\tLOGIN\tservice=smtp\tsecured\n");
  client.line();
  client.say("CANCEL\t5\nCONT\t5\t" + base64_encode("bob") + "\n" + auth_line("6", "bob", "secret"));
  CHECK(client.line() == "OK\t6\tuser=bob");
}

TEST_CASE("clients that do not follow Dovecot's protocol are disconnected") {
  Serving serving;
  for (const std::string& nonsense :
       {std::string("VERSION\n"), std::string("VERSION\t2\t0\n"), std::string("VERSION\tone\t0\n"),
        auth_line("1", "bob", "secret"), std::string("VERSION\t1\t0\nAUTH\t1\n"),
        std::string("VERSION\t1\t0\nAUTH\t1\tPLAIN\tservice=smtp\tresp=!!\n"),
        std::string("VERSION\t1\t0\nAUTH\t1\tPLAIN\tservice=smtp\tresp=AAAA\tmore\n"),
        std::string("VERSION\t1\t0\nCONT\t99999999999\t\n"), std::string("GET / HTTP/1.1\n"),
        std::string(40'000, 'x') + "\n"}) {
    DovecotClient client(serving);
    client.greeting();
    client.say(nonsense);
    CHECK(client.line() == "(closed)");
  }
}

TEST_CASE("a client that leaves in the middle of logins leaves nothing") {
  Serving serving;
  for (int i = 0; i < 30; ++i) {
    DovecotClient client(serving);
    client.say("VERSION\t1\t0\n" + auth_line("1", "bob", "wrong") + "AUTH\t2\tLOGIN\tservice=smtp\n");
  }
  serving.loop.run_until_done(serving.tasks.join());
  CHECK(serving.tasks.size() == 0);
}

TEST_CASE("fields of Dovecot's protocol survive every byte") {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  const std::string escaped = auth::dovecot_escape(all);
  CHECK(escaped.find_first_of(std::string_view("\0\t\r\n", 4)) == std::string::npos);
  CHECK(auth::dovecot_unescape(escaped) == all);
  protocol::AuthStep step;
  step.kind = Kind::success;
  step.user = "a\tb\n";
  CHECK(auth::dovecot_answer(1, step) == "OK\t1\tuser=a\1tb\1n\n");
}
