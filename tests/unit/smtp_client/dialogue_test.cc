// What is said to a server, and what comes of what it says.
#include <fmt/core.h>
#include <catch2/catch.hpp>

#include "lib/os/files.h"
#include "tests/unit/smtp_client/fake_server.h"
#include "tests/unit/smtp_client/world.h"

using namespace postrider;
using namespace postrider::smtp_client;
using namespace postrider::smtp_client::test;
using protocol::DeliveryReport;
using Kind = protocol::RecipientOutcome::Kind;
using Health = DeliveryReport::Destination;
using Lines = std::vector<std::string>;

namespace {
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
}  // namespace

TEST_CASE("a message is handed over, dots stuffed, lines ended with CRLF, nothing around it") {
  World world;
  world.content = "Subject: x\n\n.dot\nlast\rline\n";
  world.header = "Return-Path: <a@b>\n";
  FakeServer server(world.loop, {hello("") + envelope_one_by_one() + taken});
  const DeliveryReport report = world.deliver(server.nexthop());
  CHECK(server.complaints == "");
  REQUIRE(server.contents.size() == 1);
  CHECK(server.contents[0] == "Return-Path: <a@b>\r\nSubject: x\r\n\r\n..dot\r\nlast line\r\n");
  REQUIRE(report.outcomes.size() == 1);
  CHECK(report.outcomes[0].kind == Kind::relayed);
  CHECK(report.outcomes[0].dsn == "2.0.0");
  CHECK(report.destination == Health::healthy);
  CHECK(world.lines ==
        Lines{fmt::format("<user1@example.org> relay={}:{} dsn=2.0.0 sent (250 2.0.0 Ok: queued as X1)",
                          server.label(), server.port())});
}

TEST_CASE("no end of data that a server may see another way leaves us") {
  World world;
  world.content =
      "x\n.\nA\r.\rB\r\n.\rC\n.\r\nD\r.\nE\r\n.\r\nF\n..\nG\r\r\n.\r\r\nMAIL FROM:<evil@example.org>\n";
  FakeServer server(world.loop, {hello("") + envelope_one_by_one() + taken});
  world.deliver(server.nexthop());
  REQUIRE(server.contents.size() == 1);
  const std::string& wire = server.contents[0];
  for (std::size_t i = 0; i < wire.size(); ++i) {
    // Every line end is CRLF, every dot at a line's start has another one behind it.
    if (wire[i] == '\r') CHECK((i + 1 < wire.size() && wire[i + 1] == '\n'));
    if (wire[i] == '\n') CHECK((i > 0 && wire[i - 1] == '\r'));
    if (wire[i] == '.' && i > 0 && wire[i - 1] == '\n') CHECK(wire[i + 1] == '.');
  }
  CHECK(has(wire, "MAIL FROM:<evil@example.org>\r\n"));
}

TEST_CASE("with PIPELINING the envelope and DATA arrive before the first answer") {
  World world;
  FakeServer server(world.loop, {hello("PIPELINING,SIZE 1000000,8BITMIME") +
                                 "C: MAIL FROM:<sender@me.test> SIZE=21\nC: RCPT TO:<user1@example.org>\n"
                                 "C: RCPT TO:<user2@example.org>\nC: DATA\n"
                                 "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n" +
                                 taken});
  const DeliveryReport report = world.deliver(server.nexthop(), 2);
  CHECK(server.complaints == "");
  CHECK(report.outcomes.size() == 2);
  CHECK(server.contents.size() == 1);
}

TEST_CASE("without PIPELINING each command waits for its answer") {
  World world;
  FakeServer server(world.loop, {hello("8BITMIME") + envelope_one_by_one(2) + taken});
  world.deliver(server.nexthop(), 2);
  CHECK(server.complaints == "");
  CHECK(server.contents.size() == 1);
}

TEST_CASE("a server that does not know EHLO is greeted with HELO and asked for no extension") {
  World world;
  world.envelope.encoding = queue::BodyEncoding::eight_bit_mime;
  FakeServer server(world.loop, {"S: 220 old\nC: EHLO me.test\nS: 502 what?\nC: HELO me.test\nS: 250 old\n" +
                                 envelope_one_by_one() + taken});
  world.deliver(server.nexthop());
  CHECK(server.complaints == "");
  CHECK(server.contents.size() == 1);
}

TEST_CASE("5xx to one recipient returns that one, 4xx defers that one, the others are delivered") {
  World world;
  FakeServer server(world.loop, {hello() +
                                 "C: *\nC: *\nC: *\nC: *\nC: DATA\nS: 250 ok\nS: 550 5.1.1 no such user\n"
                                 "S: 451-4.7.1 come\nS: 451 4.7.1 later\nS: 250 ok\nS: 354 go\n" +
                                 taken});
  const DeliveryReport report = world.deliver(server.nexthop(), 3);
  REQUIRE(world.lines.size() == 3);
  CHECK(world.lines[0] ==
        fmt::format("<user1@example.org> relay={0}:{1} dsn=5.1.1 bounced (host {0} said: 550 5.1.1 no such "
                    "user (in reply to RCPT TO command))",
                    server.label(), server.port()));
  CHECK(world.lines[1] ==
        fmt::format("<user2@example.org> relay={0}:{1} dsn=4.7.1 deferred (host {0} said: 451-4.7.1 come 451 "
                    "4.7.1 later (in reply to RCPT TO command))",
                    server.label(), server.port()));
  CHECK(has(world.lines[2], "sent (250"));
  CHECK(report.destination == Health::healthy);
  CHECK(report.outcomes[0].remote_mta == "127.0.0.1");
  CHECK(report.outcomes[0].remote_reply == "550 5.1.1 no such user");
}

TEST_CASE("when every recipient and then DATA is refused nothing is sent") {
  World world;
  FakeServer server(world.loop,
                    {hello() + "C: *\nC: *\nC: DATA\nS: 250 ok\nS: 550 no\nS: 554 no valid recipients\n"});
  const DeliveryReport report = world.deliver(server.nexthop());
  REQUIRE(report.outcomes.size() == 1);
  CHECK(report.outcomes[0].kind == Kind::bounced);
  CHECK(report.outcomes[0].dsn == "5.0.0");
  CHECK(server.contents.empty());
}

TEST_CASE("when every recipient is refused and DATA is taken, an empty message goes to nobody") {
  World world;
  FakeServer server(world.loop,
                    {hello() + "C: *\nC: *\nC: DATA\nS: 250 ok\nS: 550 no\nS: 354 go\nDATA\nS: 554 no\n"});
  const DeliveryReport report = world.deliver(server.nexthop());
  REQUIRE(report.outcomes.size() == 1);
  CHECK(report.outcomes[0].kind == Kind::bounced);
  CHECK(server.contents == Lines{""});
}

TEST_CASE("without PIPELINING there is no DATA when every recipient was refused") {
  World world;
  FakeServer server(world.loop, {hello("") + "C: *\nS: 250 ok\nC: *\nS: 550 no\nC: QUIT\nS: 221 bye\n"});
  world.deliver(server.nexthop());
  world.wait(Seconds{10});
  CHECK(server.complaints == "");
  CHECK(server.heard.back() == "QUIT");
}

TEST_CASE("a refused sender refuses all recipients") {
  World world;
  FakeServer server(world.loop, {hello() + "C: *\nC: *\nC: *\nC: DATA\nS: 553 5.1.8 bad sender\nS: 503 what\n"
                                           "S: 503 what\nS: 503 what\n"});
  const DeliveryReport report = world.deliver(server.nexthop(), 2);
  REQUIRE(world.lines.size() == 2);
  CHECK(has(world.lines[1], "dsn=5.1.8 bounced"));
  CHECK(has(world.lines[1], "(in reply to MAIL FROM command)"));
  CHECK(report.destination == Health::healthy);
}

TEST_CASE("421 defers what is left in its own words, wherever it comes") {
  struct Case {
    std::string script, command;
  };
  const std::string begin = hello() + "C: *\nC: *\nC: *\nC: *\n";
  const std::string end = "S: 421 4.3.2 shutting down\nCLOSE\n";
  const Case cases[] = {
      {begin + end, "MAIL FROM command"},
      {begin + "S: 250 ok\n" + end, "RCPT TO command"},
      {begin + "S: 250 ok\nS: 250 ok\nS: 250 ok\n" + end, "DATA command"},
      {begin + "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nDATA\n" + end, "end of DATA command"},
  };
  for (const Case& one : cases) {
    World world;
    FakeServer server(world.loop, {one.script});
    world.deliver(server.nexthop(), 2);
    REQUIRE(world.lines.size() == 2);
    for (const std::string& line : world.lines) {
      CHECK(has(line, "dsn=4.3.2 deferred"));
      CHECK(has(line, "421 4.3.2 shutting down (in reply to " + one.command + ")"));
    }
    CHECK(world.kept->size() == 0);
  }
}

TEST_CASE("a refusing greeting defers in Postfix's words and narrows the window") {
  for (const char* greeting : {"421 4.7.0 too many connections", "554 5.7.1 go away"}) {
    World world;
    FakeServer server(world.loop, {fmt::format("S: {}\nCLOSE\n", greeting)});
    const DeliveryReport report = world.deliver(server.nexthop());
    REQUIRE(world.lines.size() == 1);
    CHECK(has(world.lines[0],
              fmt::format("deferred (host {} refused to talk to me: {})", server.label(), greeting)));
    CHECK(has(world.lines[0], "dsn=4.7."));
    CHECK(report.destination == Health::refused);
  }
}

TEST_CASE("5xx in the greeting returns mail when it is not to be skipped") {
  World world("smtp_skip_5xx_greeting = no\n");
  FakeServer server(world.loop, {"S: 554 5.7.1 go away\nCLOSE\n"});
  const DeliveryReport report = world.deliver(server.nexthop());
  CHECK(report.outcomes[0].kind == Kind::bounced);
}

TEST_CASE("a lost connection says what was being done") {
  struct Case {
    std::string script, doing;
  };
  const Case cases[] = {
      {"CLOSE\n", "receiving the initial server greeting"},
      {"S: 220 x\nC: *\nCLOSE\n", "performing the EHLO handshake"},
      {hello("") + "C: *\nCLOSE\n", "sending MAIL FROM"},
      {hello("") + "C: *\nS: 250 ok\nC: *\nCLOSE\n", "sending RCPT TO"},
      {hello("") + "C: *\nS: 250 ok\nC: *\nS: 250 ok\nC: DATA\nCLOSE\n", "sending DATA command"},
      {hello("") + "C: *\nS: 250 ok\nC: *\nS: 250 ok\nC: DATA\nS: 354 go\nDATA\nCLOSE\n",
       "sending end of data -- message may be sent more than once"},
  };
  for (const Case& one : cases) {
    World world;
    FakeServer server(world.loop, {one.script});
    const DeliveryReport report = world.deliver(server.nexthop());
    REQUIRE(world.lines.size() == 1);
    CHECK(has(world.lines[0], fmt::format("dsn=4.4.2 deferred (lost connection with {} while {})",
                                          server.label(), one.doing)));
    CHECK(report.destination == Health::refused);
    CHECK(server.connections == 1);
  }
}

TEST_CASE("a silent server is left at the time limit of the command") {
  struct Case {
    std::string script, doing;
    Seconds limit;
  };
  const Case cases[] = {
      {"HANG\n", "receiving the initial server greeting", Seconds{11}},
      {"S: 220 x\nC: *\nHANG\n", "performing the EHLO handshake", Seconds{11}},
      {hello("") + "C: *\nHANG\n", "sending MAIL FROM", Seconds{12}},
      {hello("") + "C: *\nS: 250 ok\nC: *\nHANG\n", "sending RCPT TO", Seconds{13}},
      {hello("") + "C: *\nS: 250 ok\nC: *\nS: 250 ok\nC: DATA\nHANG\n", "sending DATA command", Seconds{14}},
      {hello("") + "C: *\nS: 250 ok\nC: *\nS: 250 ok\nC: DATA\nS: 354 go\nDATA\nHANG\n",
       "sending end of data -- message may be sent more than once", Seconds{15}},
  };
  for (const Case& one : cases) {
    World world(
        "smtp_helo_timeout=11s\nsmtp_mail_timeout=12s\nsmtp_rcpt_timeout=13s\nsmtp_data_init_timeout=14s\n"
        "smtp_data_done_timeout=15s\n");
    FakeServer server(world.loop, {one.script});
    const MonoTime start = world.loop.now();
    world.deliver(server.nexthop());
    CHECK(world.loop.now() - start == one.limit);
    REQUIRE(world.lines.size() == 1);
    CHECK(has(world.lines[0], fmt::format("dsn=4.4.2 deferred (conversation with {} timed out while {})",
                                          server.label(), one.doing)));
  }
}

TEST_CASE("a server that sends its reply line by line gains no time by it") {
  World world("smtp_helo_timeout=20s\n");
  FakeServer server(world.loop, {"S: 220-x\nFLUSH\nS: 220-y\nHANG\n"});
  const MonoTime start = world.loop.now();
  world.deliver(server.nexthop());
  CHECK(world.loop.now() - start == Seconds{20});
}

TEST_CASE("garbage instead of a reply is a protocol error, printable, and defers") {
  for (const std::string& garbage :
       {std::string("hello there\x1b[2J"), std::string("99 low"), std::string("600 high"),
        std::string("HTTP/1.1 200 OK"), std::string(100'000, 'x')}) {
    World world;
    FakeServer server(world.loop, {hello() + "C: *\nS: " + garbage + "\nHANG\n"});
    world.deliver(server.nexthop());
    REQUIRE(world.lines.size() == 1);
    CHECK(has(world.lines[0], "deferred (protocol error with"));
    CHECK(has(world.lines[0], "while sending MAIL FROM"));
    CHECK(world.lines[0].find('\x1b') == std::string::npos);
    CHECK(world.lines[0].size() < 400);
  }
}

TEST_CASE("a reply of endless lines is cut off") {
  World world;
  std::string script = hello() + "C: *\n";
  for (int i = 0; i < 1000; ++i) script += "S: 250-more and more\n";
  FakeServer server(world.loop, {script + "HANG\n"});
  world.deliver(server.nexthop());
  REQUIRE(world.lines.size() == 1);
  CHECK(has(world.lines[0], "deferred (protocol error with"));
}

TEST_CASE("a reply of 10 kB is kept short in log and report") {
  World world;
  std::string script = hello("") + "C: *\n";
  for (int i = 0; i < 30; ++i) script += "S: 550-" + std::string(400, 'y') + "\n";
  FakeServer server(world.loop, {script + "S: 550 end\n"});
  const DeliveryReport report = world.deliver(server.nexthop());
  REQUIRE(report.outcomes.size() == 1);
  CHECK(report.outcomes[0].kind == Kind::bounced);
  CHECK(report.outcomes[0].reason.size() <= queue::max_reason_bytes);
  CHECK(report.outcomes[0].remote_reply.size() <= queue::max_reason_bytes);
}

TEST_CASE("a message larger than the server's SIZE is returned without being offered") {
  World world;
  FakeServer server(world.loop, {hello("SIZE 10,PIPELINING") + "C: QUIT\n"});
  const DeliveryReport report = world.deliver(server.nexthop());
  CHECK(report.outcomes[0].kind == Kind::bounced);
  CHECK(report.outcomes[0].dsn == "5.3.4");
  CHECK(report.outcomes[0].reason ==
        fmt::format("message size 21 exceeds size limit 10 of server {}", server.label()));
  world.wait(Seconds{10});
  CHECK(server.complaints == "");
}

TEST_CASE("DSN parameters go to servers that speak DSN, and success is then theirs to report") {
  World world;
  world.envelope.envid = "id+1";
  world.envelope.dsn_return = queue::DsnReturn::headers;
  queue::Recipient recipient;
  recipient.address = "user1@example.org";
  recipient.notify = queue::notify::success | queue::notify::failure;
  recipient.orcpt = "rfc822;other@example.org";
  world.envelope.recipients = {recipient};
  FakeServer server(
      world.loop,
      {hello("DSN") +
           "C: MAIL FROM:<sender@me.test> RET=HDRS ENVID=id+2B1\nS: 250 ok\n"
           "C: RCPT TO:<user1@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;other@example.org\n"
           "S: 250 ok\nC: DATA\nS: 354 go\n" +
           taken,
       hello("") + envelope_one_by_one() + taken});
  CHECK(world.deliver(server.nexthop()).outcomes[0].kind == Kind::passed_on);
  world.wait(Seconds{10});
  CHECK(world.deliver(server.nexthop()).outcomes[0].kind == Kind::relayed);
  CHECK(server.complaints == "");
}

TEST_CASE("SMTPUTF8 mail goes to servers that offer it and is returned by others") {
  World world;
  world.envelope.sender = "j\xc3\xbcrgen@me.test";
  FakeServer server(world.loop, {hello("SMTPUTF8,8BITMIME") +
                                     "C: MAIL FROM:<j\xc3\xbcrgen@me.test> SMTPUTF8\nS: 250 ok\n"
                                     "C: *\nS: 250 ok\nC: DATA\nS: 354 go\n" +
                                     taken,
                                 hello("8BITMIME") + "C: QUIT\n"});
  CHECK(world.deliver(server.nexthop()).outcomes[0].kind == Kind::relayed);
  world.wait(Seconds{10});
  const DeliveryReport report = world.deliver(server.nexthop());
  CHECK(report.outcomes[0].kind == Kind::bounced);
  CHECK(report.outcomes[0].dsn == "5.6.7");
  CHECK(report.outcomes[0].reason == "SMTPUTF8 is required, but was not offered by host " + server.label());
  world.wait(Seconds{10});
  CHECK(server.complaints == "");
}

TEST_CASE("SMTPUTF8 that only the client asked for is not needed, one in the header is") {
  World world;
  world.envelope.flags = queue::flag::smtputf8;
  FakeServer server(world.loop, {hello("") + envelope_one_by_one() + taken, hello("") + "C: QUIT\n"});
  CHECK(world.deliver(server.nexthop()).outcomes[0].kind == Kind::relayed);
  world.wait(Seconds{10});
  world.content = "Subject: gr\xc3\xbc\xc3\x9f\n\nHello\n";
  CHECK(world.deliver(server.nexthop()).outcomes[0].dsn == "5.6.7");
}

TEST_CASE("a domain in UTF-8 is sent in A-labels to a server without SMTPUTF8") {
  World world;
  queue::Recipient recipient;
  recipient.address =
      "user@b\xc3\xbc"
      "cher.example";
  world.envelope.recipients = {recipient};
  FakeServer server(world.loop, {hello("") +
                                 "C: *\nS: 250 ok\nC: RCPT TO:<user@xn--bcher-kva.example>\nS: 250 ok\n"
                                 "C: DATA\nS: 354 go\n" +
                                 taken});
  CHECK(world.deliver(server.nexthop()).outcomes[0].kind == Kind::relayed);
  CHECK(server.complaints == "");
}

TEST_CASE("many recipients are pipelined, and neither side waits on full buffers") {
  World world;
  constexpr int count = 3000;
  std::string script = hello() + "C: *\nS: 250 " + std::string(400, 'o') + "\n";
  for (int i = 0; i < count; ++i) script += "C: *\nS: 250 " + std::string(400, 'o') + "\n";
  FakeServer server(world.loop, {script + "C: DATA\nS: 354 go\n" + taken});
  const DeliveryReport report = world.deliver(server.nexthop(), count);
  CHECK(report.outcomes.size() == count);
  CHECK(server.complaints == "");
}

TEST_CASE("a large message is streamed whole") {
  World world;
  world.content = "Subject: big\n\n";
  for (int i = 0; i < 60'000; ++i) world.content += fmt::format("line {} of a long message\n", i);
  FakeServer server(world.loop, {hello() + "C: *\nC: *\nC: *\nS: 250 ok\nS: 250 ok\nS: 354 go\n" + taken});
  const DeliveryReport report = world.deliver(server.nexthop());
  CHECK(report.outcomes[0].kind == Kind::relayed);
  REQUIRE(server.contents.size() == 1);
  CHECK(server.contents[0].size() == world.content.size() + 60'002);
}

TEST_CASE("a message file that cannot be read ends the connection without the final dot") {
  World world;
  FakeServer server(world.loop,
                    {hello() + "C: *\nC: *\nC: *\nS: 250 ok\nS: 250 ok\nS: 354 go\nDATA\nS: 250 taken\n"});
  queue::Envelope envelope = world.envelope;
  queue::Recipient recipient;
  recipient.address = "user1@example.org";
  envelope.recipients = {recipient};
  const std::string_view parts[] = {"short"};
  queue::Content cut;
  cut.fd = std::move(*os::memory_file("message", parts));
  cut.length = 500;
  const Mail mail{.envelope = envelope, .content = cut, .header = ""};
  Delivery delivery(*world.here, *world.kept, mail, server.nexthop(),
                    [](const protocol::RecipientOutcome&, std::string_view, unsigned) {}, {});
  const DeliveryReport report = world.loop.run_until_done(delivery.run());
  REQUIRE(report.outcomes.size() == 1);
  CHECK(report.outcomes[0].kind == Kind::deferred);
  CHECK(report.outcomes[0].dsn == "4.3.0");
  world.wait(Seconds{1});
  CHECK(server.contents.empty());
  CHECK(world.kept->size() == 0);
}

TEST_CASE("soft_bounce defers what would be returned") {
  World world;
  world.here->soft_bounce = true;
  FakeServer server(world.loop, {hello("") + "C: *\nS: 250 ok\nC: *\nS: 550 5.1.1 no\n"});
  const DeliveryReport report = world.deliver(server.nexthop());
  CHECK(report.outcomes[0].kind == Kind::deferred);
  CHECK(report.outcomes[0].dsn == "4.1.1");
}

TEST_CASE("XFORWARD tells a filter who the client was, as far as it asks") {
  World world("smtp_send_xforward_command = yes\n");
  world.envelope.client = {"mail.example", "mail.example", "2001:db8::1", "4711", "he lo", "ESMTP"};
  world.envelope.rewrite_context = "remote";
  FakeServer server(world.loop, {hello("XFORWARD NAME ADDR PROTO HELO SOURCE") +
                                 "C: XFORWARD NAME=mail.example ADDR=IPV6:2001:db8::1\nS: 250 ok\n"
                                 "C: XFORWARD PROTO=ESMTP HELO=he+20lo SOURCE=REMOTE\nS: 250 ok\n" +
                                 envelope_one_by_one() + taken});
  CHECK(world.deliver(server.nexthop()).outcomes[0].kind == Kind::relayed);
  CHECK(server.complaints == "");
}

TEST_CASE("keywords that are to be discarded are not used") {
  World world("smtp_discard_ehlo_keywords = pipelining, Size\n");
  FakeServer server(world.loop, {hello("PIPELINING,SIZE 5") + envelope_one_by_one() + taken});
  CHECK(world.deliver(server.nexthop()).outcomes[0].kind == Kind::relayed);
  CHECK(server.complaints == "");
}
