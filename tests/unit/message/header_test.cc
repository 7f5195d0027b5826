#include "lib/message/header.h"

#include <string>

#include <catch2/catch.hpp>

using namespace postrider::message;

namespace {

// "name=body" of each field joined by '|', folds shown as "\n", then the offset of the body.
std::string scan(std::string_view content, const HeaderLimits& limits = {}) {
  HeaderScanner scanner(content, limits);
  std::string out;
  while (const auto field = scanner.next())
    out += std::string(field->mailbox_line ? "[From]" : field->name) + "=" + std::string(field->body) + "|";
  return out + std::to_string(scanner.body_offset());
}

}  // namespace

TEST_CASE("header blocks are scanned field by field") {
  CHECK(scan("A: 1\nB:2\n\nbody\n") == "A=1|B=2|10");
  CHECK(scan("A: 1\n 2\n\t3\nB: \n\n") == "A=1\n 2\n\t3|B=|16");
  CHECK(scan("A : 1\n\n") == "A=1|7");
  CHECK(scan("From u Mon Jan 1\nA: 1\n\nx") == "[From]=From u Mon Jan 1|A=1|23");
  CHECK(scan(">From u Mon Jan 1\nA: 1\n") == "[From]=>From u Mon Jan 1|A=1|23");
  CHECK(scan("From: u\n") == "From=u|8");
  CHECK(scan("A: 1\nno header\nB: 2\n") == "A=1|5");
  CHECK(scan("body only\n") == "0");
  CHECK(scan(" folded first\n") == "0");
  CHECK(scan("") == "0");
  CHECK(scan("\nbody") == "1");
  CHECK(scan("A: 1") == "A=1|4");
  CHECK(scan("A:") == "A=|2");
  CHECK(scan(": x\n") == "0");
  CHECK(scan("\xc3\xbc: x\n") == "0");
  CHECK(scan("A: 1\nFrom u\nB: 2\n") == "A=1|5");
}

TEST_CASE("raw fields put together again are the block") {
  const std::string content = "A: 1\n 2\nB:2\nC :\n\nbody\n\nD: no\n";
  HeaderScanner scanner(content);
  std::string raw;
  while (const auto field = scanner.next()) {
    CHECK(field->offset == raw.size());
    raw += field->raw;
  }
  CHECK(raw == content.substr(0, scanner.header_size()));
  CHECK(raw + "\n" == content.substr(0, scanner.body_offset()));
}

TEST_CASE("long fields are cut and many fields are counted") {
  const std::string content = "A: " + std::string(300, 'x') + "\nB: y\n\n";
  HeaderScanner scanner(content, {.field = 100, .fields = 10});
  const auto field = scanner.next();
  CHECK(field->cut);
  CHECK(field->body.size() == 100);
  CHECK(field->raw.size() == 304);
  CHECK_FALSE(scanner.next()->cut);
  std::string many;
  for (int i = 0; i < 1'000'000; ++i) many += "A:\n";
  HeaderScanner counting(many);
  std::size_t count = 0;
  while (counting.next()) ++count;
  CHECK(count == HeaderLimits{}.fields);
  CHECK(counting.too_many());
}

TEST_CASE("the end of the block is found in content that arrives in pieces") {
  for (const std::string content :
       {"A: 1\n 2\nB: 3\n\nbody", "A: 1\nbody", "\nbody", "body\n", "", "A: 1", "A: 1\n",
        "From u x\nA: 1\n\nb", " x\n", "A: 1\n\n", "A: 1\n \n\nB", "From u x\n y\nA: 1\n"}) {
    HeaderScanner scanner(content);
    while (scanner.next()) {
    }
    for (const std::size_t step : {1U, 2U, 3U, 100U}) {
      HeaderBoundary boundary;
      std::optional<std::size_t> found;
      for (std::size_t size = 0; !found; size += step) {
        const bool at_end = size >= content.size();
        found = boundary.find(std::string_view(content).substr(0, size), at_end);
        if (at_end) break;
      }
      INFO(content);
      CHECK(found == scanner.body_offset());
      CHECK(boundary.header_size() == scanner.header_size());
    }
  }
}

TEST_CASE("fields are found, counted and removed without touching the rest") {
  const std::string content = "To: a\nbCC: b,\n c\nSubject:  hello\n world \nBcc: d\n\nBcc: body\n";
  CHECK(find_header(content, "subject")->body == "hello\n world ");
  CHECK(header_value(content, "Subject") == "hello world");
  CHECK(header_value(content, "Date").empty());
  CHECK_FALSE(find_header(content, "Date").has_value());
  CHECK(count_headers(content, "Bcc", 10) == 2);
  CHECK(count_headers(content, "Bcc", 1) == 1);
  CHECK(remove_headers(content, {"Bcc", "Resent-Bcc"}) == "To: a\nSubject:  hello\n world \n\nBcc: body\n");
}

TEST_CASE("a value cannot add a header field or end the block") {
  CHECK(format_header("Subject", "x\r\nBcc: evil@x.org") == "Subject: x  Bcc: evil@x.org\n");
  CHECK(format_header("Subject", "x\n\ty") == "Subject: x\n\ty\n");
  CHECK(format_header("Subject", "x\n \n\ny") == "Subject: x    y\n");
  CHECK(format_header("Subject", "x\n \r\ny") == "Subject: x    y\n");
  CHECK(format_header("Subject", "x\n  ") == "Subject: x   \n");
  CHECK(format_header("Subject", std::string_view("a\0b\x7f", 4)) == "Subject: a b \n");
  CHECK(format_header("Subject", "x\n\n") == "Subject: x\n");
  for (const char* body : {"a\nb", "a\n\n", "a\r\nb: c", "\n", "\n \n", "a\n\t\n b"}) {
    const std::string field = format_header("X", body) + "Y: z\n";
    HeaderScanner scanner(field);
    CHECK(scanner.next()->name == "X");
    CHECK(scanner.next()->name == "Y");
    CHECK_FALSE(scanner.next().has_value());
  }
}
