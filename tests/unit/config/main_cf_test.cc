#include "lib/config/main_cf.h"

#include <catch2/catch.hpp>

using postrider::Result;
using postrider::Trouble;
using postrider::config::MainCf;

namespace {

MainCf parsed(std::string_view text) {
  Result<MainCf> main_cf = MainCf::parse(text, "/etc/postrider/main.cf");
  REQUIRE(main_cf);
  return std::move(*main_cf);
}

std::string mistake(std::string_view text) {
  const Result<MainCf> main_cf = MainCf::parse(text, "/etc/postrider/main.cf");
  REQUIRE_FALSE(main_cf);
  CHECK(main_cf.error().is(Trouble::configuration));
  return main_cf.error().text();
}

}  // namespace

TEST_CASE("a definition knows its name, value and place") {
  const MainCf main_cf = parsed("# comment\n\nmyhostname = mail.example.org  \nmydomain=example.org\n");
  REQUIRE(main_cf.entries().size() == 2);
  CHECK(main_cf.entries()[0].name == "myhostname");
  CHECK(main_cf.entries()[0].value == "mail.example.org");
  CHECK(main_cf.entries()[0].line == 3);
  CHECK(main_cf.find("mydomain")->value == "example.org");
  CHECK(main_cf.find("mydomain")->line == 4);
  CHECK(main_cf.find("relayhost") == nullptr);
  CHECK(main_cf.warnings().empty());
}

TEST_CASE("a value goes on over indented lines, comments and blank lines between") {
  const MainCf main_cf = parsed(
      "mynetworks = 127.0.0.0/8,\n# between\n\n   # indented comment\n  10.0.0.0/8\n \t "
      "\n\t[::1]/128\nrelayhost=x");
  CHECK(main_cf.find("mynetworks")->value == "127.0.0.0/8,  10.0.0.0/8\t[::1]/128");
  CHECK(main_cf.find("mynetworks")->line == 1);
  CHECK(main_cf.find("mynetworks")->last_line == 7);
  CHECK(main_cf.find("relayhost")->value == "x");
}

TEST_CASE("a value may start on the line after the equals sign") {
  CHECK(parsed("a =\n  b\n").find("a")->value == "b");
  CHECK(parsed("a\n = b\n").find("a")->value == "b");
  CHECK(parsed("a =\n").find("a")->value.empty());
}

TEST_CASE("a number sign inside a value is no comment") {
  CHECK(parsed("a = b # c\n").find("a")->value == "b # c");
}

TEST_CASE("carriage returns at line ends are white space") {
  const MainCf main_cf = parsed("a = b\r\nc = d\r\n\r\n");
  CHECK(main_cf.find("a")->value == "b");
  CHECK(main_cf.find("c")->value == "d");
}

TEST_CASE("the last definition wins and the earlier one is named in a warning") {
  const MainCf main_cf = parsed("a = 1\nb = 2\na =\n 3\n");
  CHECK(main_cf.find("a")->value == "3");
  REQUIRE(main_cf.warnings().size() == 1);
  CHECK(main_cf.warnings()[0] == "/etc/postrider/main.cf, line 3: overriding earlier entry: a=1");
}

TEST_CASE("a continuation of nothing is left out with a warning") {
  const MainCf main_cf = parsed("# c\n  relayhost = x\n  more\nmyhostname = y\n");
  CHECK(main_cf.entries().size() == 1);
  REQUIRE(main_cf.warnings().size() == 1);
  CHECK(main_cf.warnings()[0] ==
        "/etc/postrider/main.cf, line 2: logical line must not start with whitespace: \"  relayhost = x\"");
}

TEST_CASE("what is no definition is refused with file and line") {
  CHECK(mistake("a = 1\nhello\n") ==
        "/etc/postrider/main.cf, line 2: missing '=' after attribute name: \"hello\"");
  CHECK(mistake("a b = c\n") ==
        "/etc/postrider/main.cf, line 1: missing '=' after attribute name: \"a b = c\"");
  CHECK(mistake("= c\n") == "/etc/postrider/main.cf, line 1: missing attribute name: \"= c\"");
  CHECK(mistake(std::string_view("a = b\0c\n", 8)) == "/etc/postrider/main.cf, line 1: NUL byte in text");
}

TEST_CASE("a line without end is refused, not stored") {
  std::string text = "a = b";
  for (int i = 0; i < 600; ++i) text += "\n " + std::string(2000, 'x');
  CHECK(mistake(text).find("line longer than") != std::string::npos);
}

TEST_CASE("a file that is missing says so") {
  const Result<MainCf> main_cf = MainCf::read("/nonexistent/main.cf");
  REQUIRE_FALSE(main_cf);
  CHECK(main_cf.error().is(Trouble::not_found));
  CHECK(main_cf.error().text().find("/nonexistent/main.cf") != std::string::npos);
}
