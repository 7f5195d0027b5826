#include "tools/stdin_smtp.h"

#include <sysexits.h>
#include <catch2/catch.hpp>

using namespace postrider;
using namespace postrider::tools;

namespace {

struct Dialogue {
  struct Message {
    queue::Envelope envelope;
    std::string content;
    bool finished = false;
  };
  struct Sink final : MessageSink {
    Message& message;
    int status;
    Sink(Message& m, int s) : message(m), status(s) {}
    bool put(std::string_view content) override {
      message.content += content;
      return true;
    }
    int finish() override {
      message.finished = true;
      return status;
    }
  };
  std::vector<std::unique_ptr<Message>> messages;
  int status = EX_OK;
  StdinSmtp session{{.hostname = "mail.example.org", .mail_name = "Postrider", .size_limit = 1000},
                    [this](const queue::Envelope& envelope) -> Result<std::unique_ptr<MessageSink>> {
                      messages.push_back(std::make_unique<Message>(Message{envelope, "", false}));
                      return std::make_unique<Sink>(*messages.back(), status);
                    }};
  bool open = true;

  std::string say(const std::string& bytes, std::size_t step = 100'000) {
    std::string out;
    for (std::size_t at = 0; open && at < bytes.size(); at += step)
      open = session.feed(std::string_view(bytes).substr(at, step), out);
    return out;
  }
};

const std::string letter =
    "EHLO me\r\nMAIL FROM:<a@b.example> BODY=8BITMIME RET=HDRS ENVID=x\r\nRCPT TO:<c@d.example> "
    "NOTIFY=FAILURE\r\n"
    "RCPT TO:<\"odd one\"@d.example>\r\nDATA\r\nSubject: x\r\n\r\n..dot\r\nbody\r\n.\r\nQUIT\r\n";

}  // namespace

TEST_CASE("a pipelined dialogue submits one message, in any pieces") {
  for (const std::size_t step : {1U, 2U, 5U, 1000U}) {
    Dialogue d;
    const std::string replies = d.say(letter, step);
    CHECK_FALSE(d.open);
    REQUIRE(d.messages.size() == 1);
    const auto& m = *d.messages[0];
    CHECK(m.finished);
    CHECK(m.content == "Subject: x\n\n.dot\nbody\n");
    CHECK(m.envelope.sender == "a@b.example");
    CHECK(m.envelope.dsn_return == queue::DsnReturn::headers);
    CHECK(m.envelope.encoding == queue::BodyEncoding::eight_bit_mime);
    REQUIRE(m.envelope.recipients.size() == 2);
    CHECK(m.envelope.recipients[0].notify == queue::notify::failure);
    CHECK(m.envelope.recipients[1].address == "odd one@d.example");
    CHECK(replies.find("250-SIZE 1000\r\n") != std::string::npos);
    CHECK(replies.ends_with(
        "354 End data with <CR><LF>.<CR><LF>\r\n250 2.0.0 Ok: submitted\r\n221 2.0.0 Bye\r\n"));
  }
}

TEST_CASE("commands out of order are refused") {
  Dialogue d;
  CHECK(d.say("RCPT TO:<a@b.c>\r\n").starts_with("503 "));
  CHECK(d.say("DATA\r\n").starts_with("503 "));
  CHECK(d.say("MAIL FROM:<>\r\n").starts_with("250 "));
  CHECK(d.say("MAIL FROM:<>\r\n").starts_with("503 "));
  CHECK(d.say("RSET\r\n").starts_with("250 "));
  CHECK(d.say("MAIL FROM:<a@b.c> SIZE=1001\r\n").starts_with("552 "));
  CHECK(d.say("STARTTLS\r\n").starts_with("502 "));
  CHECK(d.say("AUTH PLAIN\r\n").starts_with("502 "));
  CHECK(d.messages.empty());
}

TEST_CASE("what prdrop says is what the client hears") {
  for (const auto& [status, code] :
       {std::pair{EX_UNAVAILABLE, "552 "}, std::pair{EX_TEMPFAIL, "451 "}, std::pair{EX_NOPERM, "554 "}}) {
    Dialogue d;
    d.status = status;
    const std::string replies = d.say("HELO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\nDATA\r\nx\r\n.\r\n");
    CHECK(replies.find(std::string("354 End data with <CR><LF>.<CR><LF>\r\n") + code) != std::string::npos);
  }
}

TEST_CASE("a dialogue that ends in the middle of a message submits nothing") {
  Dialogue d;
  d.say("HELO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\nDATA\r\nhalf a message\r\n.\n");
  REQUIRE(d.messages.size() == 1);
  CHECK_FALSE(d.messages[0]->finished);
}

TEST_CASE("a line without end is not gathered for ever") {
  Dialogue d;
  const std::string reply = d.say(std::string(100'000, 'x'), 1000);
  CHECK_FALSE(d.open);
  CHECK(reply.starts_with("500 "));
}
