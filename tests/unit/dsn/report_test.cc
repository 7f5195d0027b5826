#include "lib/dsn/report.h"

#include <string>

#include <catch2/catch.hpp>

#include "lib/message/header.h"

using namespace postrider;
using namespace postrider::dsn;
using postrider::address::Address;

namespace {

const WallTime new_year{Microseconds{1'704'067'200'000'000}};  // 2024-01-01 00:00:00 UTC
const std::string original = "From: ann@example.org\nTo: bob@example.net\nSubject: hello\n\nHi Bob\n";

Report sample() {
  Report r;
  r.from = {"MAILER-DAEMON", "example.org"};
  r.to = r.sender = {"ann", "example.org"};
  r.hostname = "mail.example.org";
  r.mail_name = "Postrider";
  r.queue_id = "4A5B6C";
  r.envid = "q 17";
  r.arrival = new_year;
  r.now = new_year + Seconds{60};
  RecipientStatus rcpt;
  rcpt.recipient = {"bob", "example.net"};
  rcpt.original = "bob@example.com";
  rcpt.status = {5, 1, 1};
  rcpt.reason =
      "host mx.example.net[192.0.2.1] said: 550 5.1.1 <bob@example.net>: no such user (in reply to RCPT TO "
      "command)";
  rcpt.remote_mta = "mx.example.net";
  rcpt.remote_reply = "550 5.1.1 <bob@example.net>: no such user";
  r.recipients.push_back(rcpt);
  return r;
}

bool has(const Composed& composed, std::string_view part) {
  return composed.message.find(part) != std::string::npos;
}

// Every line that is the boundary: three parts and the end.
int boundaries(const Composed& composed) {
  const std::size_t start = composed.message.find("boundary=\"") + 10;
  const std::string line = "\n--" + composed.message.substr(start, composed.message.find('"', start) - start);
  int count = 0;
  for (std::size_t at = composed.message.find(line); at != std::string::npos;
       at = composed.message.find(line, at + 1))
    ++count;
  return count;
}

}  // namespace

TEST_CASE("an undeliverable message is reported as RFC 3464 has it") {
  const Composed c = compose(sample(), original);
  CHECK(message::header_value(c.message, "Subject") == "Undelivered Mail Returned to Sender");
  CHECK(message::header_value(c.message, "From") == "Mail Delivery System <MAILER-DAEMON@example.org>");
  CHECK(message::header_value(c.message, "To") == "ann@example.org");
  CHECK(message::header_value(c.message, "Auto-Submitted") == "auto-replied");
  CHECK(message::header_value(c.message, "Content-Type")
            .starts_with("multipart/report; report-type=delivery-status;"));
  CHECK(boundaries(c) == 4);
  CHECK(has(c, "This is the mail system at host mail.example.org.\n"));
  CHECK(has(c,
            "\n<bob@example.net> (expanded from <bob@example.com>): host\n    mx.example.net[192.0.2.1] "
            "said: 550 5.1.1"));
  CHECK(has(c,
            "Content-Type: message/delivery-status\n"
            "\n"
            "Reporting-MTA: dns; mail.example.org\n"
            "Original-Envelope-Id: q 17\n"
            "X-Postrider-Queue-ID: 4A5B6C\n"
            "X-Postrider-Sender: rfc822; ann@example.org\n"
            "Arrival-Date: Mon,  1 Jan 2024 00:00:00 +0000 (UTC)\n"
            "\n"
            "Final-Recipient: rfc822; bob@example.net\n"
            "Original-Recipient: rfc822; bob@example.com\n"
            "Action: failed\n"
            "Status: 5.1.1\n"
            "Remote-MTA: dns; mx.example.net\n"
            "Diagnostic-Code: smtp; 550 5.1.1 <bob@example.net>: no such user\n"));
  CHECK(has(c, "Content-Description: Undelivered Message\nContent-Type: message/rfc822\n\n" + original));
  CHECK_FALSE(c.eight_bit);
  CHECK_FALSE(c.utf8);
}

TEST_CASE("only the header comes back when that was asked for") {
  Report r = sample();
  r.returned = Returned::headers;
  const Composed c = compose(r, original);
  CHECK(has(c, "Content-Type: text/rfc822-headers\n\nFrom: ann@example.org\n"));
  CHECK_FALSE(has(c, "Hi Bob"));
  CHECK(boundaries(c) == 4);
}

TEST_CASE("every kind of report has its subject, action and words") {
  Report r = sample();
  r.kind = Kind::delayed;
  r.retry_until = new_year + Seconds{432'000};
  r.recipients[0].action = Action::delayed;
  r.recipients[0].status = {4, 4, 1};
  r.recipients[0].retry_until = r.retry_until;
  const Composed delayed = compose(r, original);
  CHECK(message::header_value(delayed.message, "Subject") == "Delayed Mail (still being retried)");
  CHECK(has(delayed, "YOU DO NOT NEED TO SEND YOUR MESSAGE AGAIN"));
  CHECK(has(delayed, "Action: delayed\nStatus: 4.4.1\n"));
  CHECK(has(delayed, "Will-Retry-Until: Sat,  6 Jan 2024 00:00:00 +0000 (UTC)\n"));

  r = sample();
  r.kind = Kind::succeeded;
  for (const auto& [action, word] : {std::pair{Action::delivered, "delivered"},
                                     {Action::relayed, "relayed"},
                                     {Action::expanded, "expanded"}}) {
    r.recipients[0].action = action;
    r.recipients[0].status = {};
    CHECK(has(compose(r, original), std::string("Action: ") + word + "\nStatus: 2.0.0\n"));
  }
  CHECK(subject(Kind::succeeded, false) == "Successful Mail Delivery Report");
  CHECK(subject(Kind::verified, false) == "Mail Delivery Status Report");
  r = sample();
  r.to_postmaster = true;
  CHECK(message::header_value(compose(r, original).message, "Subject") ==
        "Postmaster Copy: Undelivered Mail");
}

TEST_CASE("without a remote reply the diagnostic is our own") {
  Report r = sample();
  r.recipients[0].remote_mta.clear();
  r.recipients[0].remote_reply.clear();
  r.recipients[0].reason = "unknown user: \"bob\"";
  r.recipients[0].original.clear();
  r.recipients[0].orcpt = "rfc822;bob+x@example.com";
  const Composed c = compose(r, original);
  CHECK(has(c, "\nDiagnostic-Code: X-Postrider; unknown user: \"bob\"\n"));
  CHECK(has(c, "\nOriginal-Recipient: rfc822; bob+x@example.com\n"));
  CHECK_FALSE(has(c, "Remote-MTA"));
  CHECK_FALSE(has(c, "expanded from"));
}

TEST_CASE("texts from peers cannot add fields or parts") {
  Report r = sample();
  r.recipients[0].reason = "bad\n\nAction: delivered\n\x1b[2J";
  r.recipients[0].remote_reply = "550 no\nAction: delivered\r\n--x";
  r.recipients[0].remote_mta = "mx\nAction: delivered";
  r.recipients[0].orcpt = "rfc822;x\nAction: delivered";
  r.recipients[0].original = "x\nAction: delivered@y";
  r.envid = "a\nAction: delivered";
  r.hostname = "mail.example.org";
  const Composed c = compose(r, original);
  CHECK_FALSE(has(c, "\nAction: delivered"));
  CHECK_FALSE(has(c, "\x1b"));
  CHECK(has(c, "\nAction: failed\n"));
}

TEST_CASE("returned content cannot end its part") {
  const std::string boundary = "4A5B6C.1704067260/mail.example.org";
  const Composed c = compose(sample(), original + "\n--" + boundary + "--\n--" + boundary + "=1--\n");
  CHECK(has(c, "boundary=\"" + boundary + "=2\""));
  CHECK(boundaries(c) == 4);
}

TEST_CASE("eight-bit content and UTF-8 addresses are declared") {
  Report r = sample();
  CHECK(compose(r, original + "\xe4\n").eight_bit);
  CHECK_FALSE(compose(r, original + "\xe4\n").utf8);

  r.recipients[0].recipient = {"j\xc3\xb6rg",
                               "b\xc3\xbc"
                               "cher.example"};
  const Composed plain = compose(r, original);
  CHECK(has(plain, "Final-Recipient: utf-8; j\\x{F6}rg@b\\x{FC}cher.example\n"));
  CHECK(has(plain, "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n"));
  CHECK(has(plain, "Content-Type: message/delivery-status\n\n"));
  CHECK_FALSE(plain.utf8);

  r.smtputf8 = true;
  const Composed global = compose(r, original);
  CHECK(has(global,
            "Final-Recipient: utf-8; j\xc3\xb6rg@b\xc3\xbc"
            "cher.example\n"));
  CHECK(has(global, "report-type=global-delivery-status"));
  CHECK(has(global, "Content-Type: message/global-delivery-status\nContent-Transfer-Encoding: 8bit\n"));
  CHECK(has(global, "Content-Type: message/global\n"));
  CHECK(global.utf8);
}

TEST_CASE("a report on many recipients stays in proportion") {
  Report r = sample();
  r.recipients[0].reason = std::string(100'000, 'x');
  r.recipients[0].remote_reply = std::string(100'000, 'y');
  r.recipients.resize(2000, r.recipients[0]);
  const Composed c = compose(r, original);
  CHECK(c.message.size() < 2000 * 1300 + 500 * 1100);
  CHECK(has(c, "\n... and 1500 more, which the delivery report lists.\n"));
  std::size_t start = 0;
  for (std::size_t end = c.message.find('\n'); end != std::string::npos; end = c.message.find('\n', start)) {
    REQUIRE(end - start <= 998);
    start = end + 1;
  }
}
