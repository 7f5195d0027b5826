#include "lib/smtp/reply.h"

#include <string>

#include <catch2/catch.hpp>

#include "lib/smtp/extensions.h"

using namespace postrider;
using namespace postrider::smtp;

namespace {

Reply parse(std::initializer_list<std::string_view> lines) {
  ReplyParser parser;
  bool last = false;
  for (const auto line : lines) last = parser.feed(line).value();
  CHECK(last);
  return parser.take();
}

}  // namespace

TEST_CASE("enhanced status codes are exactly RFC 3463") {
  CHECK(Status::parse("5.1.1") == Status{5, 1, 1});
  CHECK(Status::parse("2.999.999")->text() == "2.999.999");
  for (const char* bad : {"", "5", "5.1", "3.1.1", "5.1.1.1", "5.1000.1", "5.01.1", "5.1.x", "5.1.1 ",
                          "5.1.1x", ".1.1", "5..1"})
    CHECK_FALSE(Status::parse(bad).has_value());
  std::string_view text = "4.7.1  try later";
  CHECK(Status::take(text) == Status{4, 7, 1});
  CHECK(text == "try later");
  CHECK(Status{}.text().empty());
}

TEST_CASE("replies are written with code and status on every line") {
  CHECK(Reply(250, "2.0.0 Ok").wire() == "250 2.0.0 Ok\r\n");
  CHECK(Reply(354, "End data with <CR><LF>.<CR><LF>").wire() == "354 End data with <CR><LF>.<CR><LF>\r\n");
  Reply ehlo(250, "mail.example.org");
  ehlo.lines.push_back("PIPELINING");
  ehlo.lines.push_back("SIZE 10240000");
  CHECK(ehlo.wire() == "250-mail.example.org\r\n250-PIPELINING\r\n250 SIZE 10240000\r\n");
  Reply two(550, "5.1.1 no");
  two.lines.push_back("such user");
  CHECK(two.wire() == "550-5.1.1 no\r\n550 5.1.1 such user\r\n");
  CHECK(two.text() == "550-5.1.1 no 550 5.1.1 such user");
  CHECK(two.message() == "no such user");
}

TEST_CASE("a reply cannot be split by its own text") {
  CHECK(Reply(550, "5.7.1 <a\r\n250 ok>").wire() == "550 5.7.1 <a??250 ok>\r\n");
  const std::string wire = Reply(550, "5.7.1 " + std::string(600, 'x') + " " + std::string(600, 'y')).wire();
  std::size_t start = 0;
  int lines = 0;
  for (std::size_t end = wire.find("\r\n"); end != std::string::npos;
       end = wire.find("\r\n", start), ++lines) {
    CHECK(end + 2 - start <= max_reply_line);
    CHECK(wire.compare(start, 3, "550") == 0);
    CHECK(wire.compare(start + 4, 6, "5.7.1 ") == 0);
    start = end + 2;
  }
  CHECK(lines == 3);
  CHECK(Reply(250, "").wire() == "250 \r\n");
}

TEST_CASE("a client reads replies line by line") {
  const Reply one = parse({"250 2.1.0 Ok"});
  CHECK(one.code == 250);
  CHECK(one.status == Status{2, 1, 0});
  CHECK(one.lines == std::vector<std::string>{"Ok"});
  const Reply many = parse({"550-5.1.1 The account", "550-5.1.1 does not", "550 5.1.1 exist"});
  CHECK(many.text() == "550-5.1.1 The account 550-5.1.1 does not 550 5.1.1 exist");
  CHECK(many.message() == "The account does not exist");
  CHECK(parse({"250"}).code == 250);
  CHECK(parse({"250\r"}).code == 250);
  CHECK(parse({"421-a", "450 b"}).code == 450);
  CHECK(parse({"450 busy"}).status_or_default() == Status{4, 0, 0});
  CHECK(parse({"550 no"}).status_or_default() == Status{5, 0, 0});
}

TEST_CASE("a status of another class than the code says nothing") {
  const Reply reply = parse({"450 5.1.1 odd"});
  CHECK_FALSE(reply.status.present());
  CHECK(reply.text() == "450 5.1.1 odd");
  CHECK_FALSE(parse({"250-5.1.1 first", "250 second"}).status.present());
}

TEST_CASE("the status of one reply does not stay for the next") {
  ReplyParser parser;
  CHECK(parser.feed("550 5.1.1 no").value());
  CHECK(parser.take().status.present());
  CHECK(parser.feed("450 wait").value());
  CHECK_FALSE(parser.take().status.present());
}

TEST_CASE("malformed and endless replies are the peer's fault") {
  for (const char* bad :
       {"", "2", "25", "abc", "250x", "150 x", "650 x", "25o x", " 250 x", "HTTP/1.1 400"}) {
    ReplyParser parser;
    CHECK(parser.feed(bad).error().is(Trouble::peer));
  }
  ReplyParser parser;
  for (std::size_t i = 0; i < ReplyParser::max_lines; ++i) CHECK_FALSE(parser.feed("250-x").value());
  CHECK(parser.feed("250-x").error().is(Trouble::peer));
}

TEST_CASE("long and hostile reply text is cut and cleaned before it is kept") {
  ReplyParser parser;
  for (int i = 0; i < 200; ++i) CHECK_FALSE(parser.feed("550-" + std::string(10'000, 'x')).value());
  CHECK(parser.feed("550 end").value());
  const Reply reply = parser.take();
  CHECK(reply.text().size() < 2 * ReplyParser::max_kept);
  CHECK(reply.code == 550);
  CHECK(parse({"550 a\nb\x1b[2J"}).message() == "a?b?[2J");
  CHECK(parse({"550 latin \xe9"}).message() == "latin ?");
  CHECK(parse({"550 utf \xc3\xa9"}).message() == "utf \xc3\xa9");
}

TEST_CASE("extensions are read from the EHLO reply") {
  Reply reply =
      parse({"250-mx.example.org Hello", "250-PIPELINING", "250-SIZE 1000", "250-AUTH PLAIN login",
             "250-AUTH=LOGIN", "250-8bitmime", "250-XCLIENT NAME ADDR", "250-NONSENSE", "250 SMTPUTF8"});
  const Extensions e = parse_extensions(reply);
  CHECK(e.host == "mx.example.org");
  CHECK(e.pipelining);
  CHECK(e.size);
  CHECK(e.size_limit == 1000);
  CHECK(e.eight_bit);
  CHECK(e.smtputf8);
  CHECK_FALSE(e.starttls);
  CHECK(e.auth_mechanisms == std::vector<std::string>{"PLAIN", "LOGIN"});
  CHECK(e.xclient_attributes == std::vector<std::string>{"NAME", "ADDR"});
  CHECK_FALSE(parse_extensions(reply, {"PIPELINING"}).pipelining);
  CHECK_FALSE(parse_extensions(parse({"250 PIPELINING"})).pipelining);  // the first line is a name
}
