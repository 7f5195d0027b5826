#include "cleanup/header_block.h"

#include <catch2/catch.hpp>

using namespace postrider;
using namespace postrider::cleanup;

namespace {

HeaderBlock::Rules usual() {
  HeaderBlock::Rules rules;
  rules.dropped = {"bcc", "content-length", "resent-bcc", "return-path"};
  return rules;
}

Completion completion() {
  Completion with;
  with.queue_id = "1E2404791205";
  with.arrival = ManualClock().wall();
  with.hostname = "mail.example.org";
  with.origin = "example.org";
  with.sender = "ann@example.org";
  return with;
}

std::string completed(std::string_view content, const Completion& with = completion()) {
  HeaderBlock block(content, usual());
  block.complete(with);
  return block.text();
}

}  // namespace

TEST_CASE("a complete header keeps every byte") {
  const std::string header =
      "Received: from a by b;\n\tMon, 1 Jan 2024 00:00:00 +0000\nFROM:  Ann   <ann@example.org>\n"
      "To: bob@example.com,\n  carol@example.com\nDate: now\nMessage-ID:<1@x>\nX-Odd:\n \n";
  HeaderBlock block(header + "\nbody\n", usual());
  const auto addresses = block.addresses();
  CHECK(addresses.size() == 3);
  block.replace(addresses);
  block.complete(completion());
  CHECK(block.text() == header);
  CHECK(block.body_offset() == header.size() + 1);
  CHECK(block.message_id_line() == "message-id=<1@x>");
  CHECK(block.hops() == 1);
}

TEST_CASE("what a header lacks is added at its end") {
  CHECK(completed("Subject: x\n\nbody") ==
        "Subject: x\n"
        "Message-Id: <20240101000000.1E2404791205@mail.example.org>\n"
        "Date: Mon,  1 Jan 2024 00:00:00 +0000 (UTC)\n"
        "From: ann@example.org\n");
  Completion with = completion();
  with.full_name = "Ann, the First";
  with.undisclosed = "To: undisclosed-recipients:;";
  const std::string named = completed("Message-Id: <a@b>\nDate: x\n", with);
  CHECK(named ==
        "Message-Id: <a@b>\nDate: x\nFrom: \"Ann, the First\" <ann@example.org>\nTo: "
        "undisclosed-recipients:;\n");
  with.sender.clear();
  CHECK(completed("Message-Id: <a@b>\nDate: x\nTo: z\n", with)
            .ends_with("From: MAILER-DAEMON@example.org (Mail Delivery System)\n"));
}

TEST_CASE("a resent message gets Resent- fields") {
  const std::string text = completed("Resent-To: z@example.org\nFrom: a@b\nDate: x\nMessage-Id: <1@x>\n");
  CHECK(text.find("Resent-Message-Id: <") != std::string::npos);
  CHECK(text.find("Resent-Date: ") != std::string::npos);
  CHECK(text.find("Resent-From: ann@example.org\n") != std::string::npos);
  CHECK(text.find("\nMessage-Id: <2") == std::string::npos);
}

TEST_CASE("Bcc, Return-Path, Content-Length and a mailbox line do not pass") {
  CHECK(completed(
            "From ann Mon Jan  1\nReturn-Path: <x>\nBcc: secret@example.org\nbCC : more\nMessage-Id: <1@x>\n"
            "Date: d\nFrom: f@x\nContent-Length: 9\nResent-Bcc: s\nSubject: s\n") ==
        "Message-Id: <1@x>\nDate: d\nFrom: f@x\nSubject: s\nResent-Message-Id: "
        "<20240101000000.1E2404791205@mail.example.org>\nResent-Date: Mon,  1 Jan 2024 00:00:00 +0000 (UTC)\n"
        "Resent-From: ann@example.org\n");
}

TEST_CASE("addresses are replaced where they stand and nothing around them changes") {
  HeaderBlock block(
      "From: \"A. N.\" <ann> (her)\nTo: bob,\n\tCarol <carol@x.example>, group: d, e;\nSubject: bob\n",
      usual());
  auto addresses = block.addresses();
  REQUIRE(addresses.size() == 5);
  CHECK(addresses[0].of_sender);
  CHECK_FALSE(addresses[1].of_sender);
  for (auto& one : addresses)
    if (one.text.find('@') == std::string::npos) one.text += "@example.org";
  block.replace(addresses);
  CHECK(block.text() ==
        "From: \"A. N.\" <ann@example.org> (her)\nTo: bob@example.org,\n\tCarol <carol@x.example>, group: "
        "d@example.org, e@example.org;\nSubject: bob\n");
}

TEST_CASE("content without a header is all body") {
  for (const char* text : {"no header here\n", "\nFrom: body@x\n", "", ": x\n", " folded: first\n"}) {
    HeaderBlock block(text, usual());
    CHECK(block.text().empty());
    CHECK(block.message_id_line().empty());
  }
}

TEST_CASE("a header field over the limit is cut, and its addresses are left alone") {
  auto rules = usual();
  rules.field_limit = 20;
  HeaderBlock block("To: " + std::string(30, 'a') + "@example.org\nSubject: s\n", rules);
  CHECK(block.text() == "To: " + std::string(20, 'a') + "\nSubject: s\n");
}

TEST_CASE("an envelope sender or a name with line breaks cannot add a header") {
  Completion with = completion();
  with.full_name = "Eve\nBcc: all@example.org";
  const std::string text = completed("Subject: x\n", with);
  CHECK(text.find("\nBcc:") == std::string::npos);
}
