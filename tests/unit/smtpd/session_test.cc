// Whole dialogues with fake services behind: what needs settings or trouble that tests/dialogs cannot
// arrange.
#include "smtpd/session.h"

#include <catch2/catch.hpp>

#include "tests/unit/smtpd/site.h"

using namespace postrider;
using postrider::smtpd::test::Site;

namespace {

const std::string hello = "EHLO client.example\r\n";
const std::string envelope = "MAIL FROM:<ann@example.net>\r\nRCPT TO:<user@example.org>\r\n";

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("A recipient after the first chunk is refused, since the envelope may be gone") {
  Site site;
  REQUIRE(site.server->open());
  const std::string replies = site.play(hello + envelope + "BDAT 5\r\none\r\n" +
                                        "RCPT TO:<late@example.org>\r\nBDAT 0 LAST\r\nQUIT\r\n");
  CHECK(Site::codes(replies) == "220 250 250 250 250 503 250 221");
  REQUIRE(site.messages.size() == 1);
  CHECK(site.messages[0].envelope.recipients.size() == 1);
}

TEST_CASE("Chunks after a refused one are not a message") {
  Site site("smtpd_data_restrictions = check_sender_access hash:/a\n");
  REQUIRE(site.server->open());
  // The table is missing at the first chunk.
  const std::string replies =
      site.play(hello + envelope + "BDAT 4\r\none\nBDAT 4\r\ntwo\nDATA\r\nRCPT TO:<b@example.org>\r\n" +
                "BDAT 6 LAST\r\nthree\nMAIL FROM:<c@example.net>\r\nQUIT\r\n");
  CHECK(Site::codes(replies) == "220 250 250 250 451 551 503 503 551 250 221");
  CHECK(site.messages.empty());
}

TEST_CASE("A refused last chunk ends the transaction, so that the next message may follow") {
  Site site;
  REQUIRE(site.server->open());
  const std::string replies =
      site.play(hello + "MAIL FROM:<ann@example.net>\r\nRCPT TO:<nobody@example.org>\r\n" +
                "BDAT 5 LAST\r\nQUIT\n" + envelope + "BDAT 5 LAST\r\none\r\nQUIT\r\n");
  CHECK(Site::codes(replies) == "220 250 250 550 554 250 250 250 221");
  CHECK(site.messages.size() == 1);
}

TEST_CASE("Chunks of no bytes and a connection lost in a chunk leave no message") {
  Site site;
  REQUIRE(site.server->open());
  std::string tiny;
  for (int i = 0; i < 500; ++i) tiny += "BDAT 0\r\n";
  site.play(hello + envelope + tiny + "BDAT 100000 LAST\r\nhalf");
  CHECK(site.messages.empty());
  CHECK(has(site.log(), "lost connection after BDAT"));
}

TEST_CASE("A size that no file could have ends the session") {
  Site site;
  REQUIRE(site.server->open());
  for (const char* size : {"18446744073709551616", "9223372036854775808", "-1", "0x10", ""})
    CHECK(Site::codes(site.play(hello + envelope + "BDAT " + size + " LAST\r\nQUIT\r\n")) ==
          "220 250 250 250 501");
}

TEST_CASE("A client refused when it connects hears one greeting, and may only quit") {
  Site site("smtpd_delay_reject = no\nsmtpd_client_restrictions = reject\n");
  REQUIRE(site.server->open());
  const std::string replies = site.play(hello + envelope + "QUIT\r\n");
  CHECK(Site::codes(replies) == "554 503 503 503 221");
  CHECK(replies.starts_with("554 5.7.1 <localhost[127.0.0.1]>: Client host rejected"));
}

TEST_CASE("A client whose HELO was refused has not introduced itself") {
  Site site(
      "smtpd_delay_reject = no\nsmtpd_helo_required = yes\nsmtpd_helo_restrictions = "
      "reject_non_fqdn_helo_hostname\n");
  REQUIRE(site.server->open());
  CHECK(Site::codes(site.play("EHLO client\r\nMAIL FROM:<a@example.net>\r\n" + hello + envelope +
                              "QUIT\r\n")) == "220 504 503 250 250 250 221");
}

TEST_CASE("reject_unauth_pipelining lets groups of commands pass and stops content before 354") {
  Site site(
      "smtpd_recipient_restrictions = reject_unauth_pipelining, reject_unauth_destination\n"
      "smtpd_data_restrictions = reject_unauth_pipelining\n");
  REQUIRE(site.server->open());
  CHECK(Site::codes(site.play(hello + envelope + "DATA\r\nx\r\n.\r\n")) == "220 250 250 250 503 502 221");
  // HELO offers no pipelining.
  CHECK(Site::codes(site.play("HELO c.example\r\n" + envelope + "QUIT\r\n")) == "220 250 250 503 221");
  CHECK(site.messages.empty());
}

TEST_CASE("Errors are counted once each, and forgotten when a message was taken") {
  Site site("smtpd_hard_error_limit = 3\n");
  REQUIRE(site.server->open());
  const std::string message = envelope + "DATA\r\nx\r\n.\r\n";
  CHECK(Site::codes(site.play(hello + "X\r\nX\r\n" + message + "X\r\nX\r\n" + message + "QUIT\r\n")) ==
        "220 250 502 502 250 250 354 250 502 502 250 250 354 250 221");
  CHECK(Site::codes(site.play(hello + "\xff\r\n\xff\r\n\xff\r\nNOOP\r\n")) == "220 250 500 500 500 421");
}

TEST_CASE("smtpd_reject_unlisted_sender refuses senders of ours that do not exist") {
  Site site("smtpd_reject_unlisted_sender = yes\n");
  REQUIRE(site.server->open());
  const std::string replies =
      site.play(hello + "MAIL FROM:<nobody@example.org>\r\nRCPT TO:<user@example.org>\r\nRSET\r\n" +
                envelope + "QUIT\r\n");
  CHECK(Site::codes(replies) == "220 250 250 550 250 250 250 221");
  CHECK(has(replies, "550 5.1.0 <nobody@example.org>: Sender address rejected"));
}

TEST_CASE("Clients in smtpd_sasl_exceptions_networks are not let into AUTH") {
  Site site("smtpd_sasl_auth_enable = yes\nsmtpd_sasl_exceptions_networks = 127.0.0.0/8\n");
  REQUIRE(site.server->open());
  const std::string replies = site.play(hello + "AUTH PLAIN AGEAYg==\r\nQUIT\r\n");
  CHECK(Site::codes(replies) == "220 250 503 221");
  CHECK_FALSE(has(replies, "AUTH "));
}

TEST_CASE("defer_if_permit defers what nothing else refuses") {
  Site site("smtpd_client_restrictions = defer_if_permit\n");
  REQUIRE(site.server->open());
  CHECK(Site::codes(site.play(hello + envelope + "RCPT TO:<a@elsewhere.example>\r\nQUIT\r\n")) ==
        "220 250 250 450 454 221");
}

TEST_CASE("Actions of smtpd_data_restrictions reach the message") {
  Site site("smtpd_data_restrictions = check_sender_access hash:/a\n");
  REQUIRE(site.server->open());
  site.tables["hash:/a"] = {{"ann@example.net", "PREPEND X-Ann: yes"}};
  site.play(hello + envelope + "DATA\r\n\r\nx\r\n.\r\nQUIT\r\n");
  site.tables["hash:/a"] = {{"ann@example.net", "REDIRECT spam@example.org"}};
  site.play(hello + envelope + "DATA\r\n\r\nx\r\n.\r\nQUIT\r\n");
  REQUIRE(site.messages.size() == 2);
  CHECK(has(site.messages[0].content, "X-Ann: yes\n"));
  REQUIRE(site.messages[1].envelope.recipients.size() == 1);
  CHECK(site.messages[1].envelope.recipients[0].address == "spam@example.org");
}

TEST_CASE("Nothing a client says makes a line of the log") {
  Site site;
  REQUIRE(site.server->open());
  site.play("EHLO a\rfatal:b\r\nMAIL FROM:<\"a\x1b[2J\"@example.net>\r\nGET /\x07\r\n");
  site.play(hello + "MAIL FROM:<ann@example.net>\r\nRCPT TO:<\"x y\"@elsewhere.example>\r\nQUIT\r\n");
  for (const char c : site.log()) CHECK((c == '\n' || (c >= ' ' && c != 0x7f)));
}

TEST_CASE("A message refused at its end leaves neither sender nor recipients behind") {
  Site site("smtpd_end_of_data_restrictions = reject\n");
  REQUIRE(site.server->open());
  CHECK(Site::codes(site.play(hello + envelope + "DATA\r\nx\r\n.\r\nRCPT TO:<user@example.org>\r\nDATA\r\n" +
                              "BDAT 1 LAST\r\nx" + envelope + "BDAT 1 LAST\r\nxDATA\r\nQUIT\r\n")) ==
        "220 250 250 250 354 554 503 503 503 250 250 554 503 221");
  CHECK(site.messages.empty());
}

TEST_CASE("DISCARD at the end of data holds for messages of any size") {
  Site site("smtpd_end_of_data_restrictions = check_sender_access hash:/a\n");
  REQUIRE(site.server->open());
  site.tables["hash:/a"] = {{"ann@example.net", "DISCARD"}};
  std::string large;
  while (large.size() < 100'000) large += std::string(70, 'x') + "\r\n";
  CHECK(Site::codes(site.play(hello + envelope + "DATA\r\n" + large + ".\r\nQUIT\r\n")) ==
        "220 250 250 250 354 250 221");
  REQUIRE(site.endings.size() == 1);  // cleanup had the beginning already
  CHECK(site.endings.back().discard);
  CHECK(Site::codes(site.play(hello + envelope + "DATA\r\nx\r\n.\r\nQUIT\r\n")) ==
        "220 250 250 250 354 250 221");
  REQUIRE_FALSE(site.messages.empty());
  CHECK((site.messages.back().envelope.flags & queue::flag::discard) != 0);
}

TEST_CASE("HOLD, REDIRECT and FILTER at the end of data hold for messages of any size") {
  Site site(
      "smtpd_end_of_data_restrictions = check_sender_access hash:/a, check_sender_access hash:/b, "
      "check_helo_access hash:/c\n");
  REQUIRE(site.server->open());
  site.tables["hash:/a"] = {{"ann@example.net", "HOLD"}};
  site.tables["hash:/b"] = {{"ann@example.net", "REDIRECT other@example.org"}};
  site.tables["hash:/c"] = {{"client.example", "FILTER scan:[127.0.0.1]:10025"}};
  for (const std::size_t size : {std::size_t{1}, std::size_t{100'000}}) {
    std::string text;
    while (text.size() < size) text += std::string(70, 'x') + "\r\n";
    CHECK(Site::codes(site.play("EHLO client.example\r\n" + envelope + "DATA\r\n" + text +
                                ".\r\nQUIT\r\n")) == "220 250 250 250 354 250 221");
  }
  const queue::Envelope& small = site.messages.at(0).envelope;
  CHECK((small.flags & queue::flag::hold) != 0);
  CHECK(small.recipients.at(0).address == "other@example.org");
  CHECK(small.content_filter == "scan:[127.0.0.1]:10025");
  const protocol::ContentEnd& large = site.endings.at(0);
  CHECK(large.hold);
  CHECK(large.redirect == "other@example.org");
  CHECK(large.content_filter == "scan:[127.0.0.1]:10025");
}
