#include "lib/table/source.h"

#include <catch2/catch.hpp>

#include "lib/table/fold.h"
#include "tests/unit/table/scratch.h"

using namespace postrider;
using namespace postrider::table;

namespace {

std::vector<std::string> logical(std::string_view text, Log& log) {
  SourceLines lines(text, "f", log);
  std::vector<std::string> all;
  while (const auto line = lines.next()) all.push_back(std::to_string(line->number) + ":" + line->text);
  return all;
}

}  // namespace

TEST_CASE("a logical line goes on over blank lines and comments until text at the margin") {
  MemoryLog log;
  CHECK(logical("a 1\n  b\n\n# c\n\t d\ne\n", log) == std::vector<std::string>{"5:a 1  b\t d", "6:e"});
  CHECK(logical("", log).empty());
  CHECK(logical("\n\n#x\n  # y", log).empty());
  CHECK(logical("no newline", log) == std::vector<std::string>{"1:no newline"});
  CHECK(log.text().empty());
}

TEST_CASE("white space before the first entry is no entry and is pointed out") {
  MemoryLog log;
  CHECK(logical("  lost\nkept 1\n", log) == std::vector<std::string>{"2:kept 1"});
  CHECK(log.text() == "warning: f: logical line must not start with whitespace: \"  lost\"\n");
}

TEST_CASE("a line without end is skipped whole and the next one read") {
  MemoryLog log;
  std::string text = "a ";
  for (int i = 0; i < 90; ++i) text += std::string(64 * 1024, 'x') + "\n ";
  text += "tail\nb 1\n";
  CHECK(logical(text, log) == std::vector<std::string>{"92:b 1"});
  CHECK(log.contains("logical line is longer than 4194304 bytes: skipping it"));
}

TEST_CASE("the key ends at white space outside quotes and keeps its quotes") {
  struct Case {
    const char* line;
    const char* key;
    const char* value;
  };
  for (const Case& c : {Case{"a b c ", "a", "b c"}, Case{"\"a b\"@c\tv", "\"a b\"@c", "v"},
                        Case{"\"a\\\" b\" v", "\"a\\\" b\"", "v"}, Case{"a\\ b", "a\\", "b"}}) {
    INFO(c.line);
    const Result<KeyValue> entry = split_key_value(c.line);
    REQUIRE(entry.has_value());
    CHECK(entry->key == c.key);
    CHECK(entry->value == c.value);
  }
  CHECK(split_key_value("novalue").error().text() == "expected format: key whitespace value");
  CHECK(split_key_value("\"a b").error().text() == "unbalanced '\"' in '\"a b' -- ignoring this line");
  CHECK_FALSE(split_key_value(std::string_view("a\0b c", 5)).has_value());
}

TEST_CASE("texthash warns as postmap does about each kind of bad line") {
  Scratch scratch;
  const std::string file = scratch.write("m",
                                         " leading value\nKey1  value one  \n  continued\n\n\"unbal  x\n"
                                         "novalue\nalias: v\nkey1 dup\n");
  CHECK(ask("texthash:" + file, "KEY1", scratch.context) == "value one    continued");
  CHECK(scratch.log.text() ==
        "warning: " + file + ": logical line must not start with whitespace: \" leading value\"\n" +
            "warning: " + file + ", line 5: unbalanced '\"' in '\"unbal  x' -- ignoring this line\n" +
            "warning: " + file + ", line 6: expected format: key whitespace value -- ignoring this line\n" +
            "warning: " + file + ", line 7: record is in \"key: value\" format; is this an alias file?\n" +
            "warning: " + file + ", line 8: duplicate entry: \"key1\"\n");
}

TEST_CASE("folding covers UTF-8 letters and leaves other bytes alone") {
  CHECK(fold("ABC@\xc3\x84.Example", true) == "abc@\xc3\xa4.example");
  CHECK(fold("ABC@\xc3\x84", false) == "abc@\xc3\x84");
  CHECK(fold("A\xc3", true) == "a\xc3");
  CHECK_FALSE(valid_utf8("\xc0\xaf"));
  CHECK_FALSE(valid_utf8("\xed\xa0\x80"));
  CHECK_FALSE(valid_utf8("\xf4\x90\x80\x80"));
  CHECK(valid_utf8("\xf0\x9f\x93\xae"));
}

TEST_CASE("a text table follows edits in place and replacement by rename") {
  Scratch scratch;
  // Time stands where the files' time stamps are: every edit falls into one tick of the clock.
  scratch.clock.set_wall(SystemClock().wall());
  const std::string file = scratch.write("m", "key one\n");
  const auto table = open("texthash:" + file, scratch.context);
  REQUIRE(table.has_value());
  CHECK(told((*table)->lookup("key")) == "one");
  scratch.write("m", "key two\n");
  CHECK(told((*table)->lookup("key")) == "two");
  std::ofstream(file) << "key three\n";
  CHECK(told((*table)->lookup("key")) == "three");
}

TEST_CASE("an edit that leaves size and time stamp alike is seen once the file has cooled") {
  Scratch scratch;
  const std::string file = scratch.write("m", "key one\n");
  const auto modified = os::system_files().stat(file)->modified;
  scratch.clock.set_wall(modified);
  const auto table = open("texthash:" + file, scratch.context);
  REQUIRE(table.has_value());
  CHECK(told((*table)->lookup("key")) == "one");
  std::fstream(file, std::ios::in | std::ios::out) << "key two\n";
  REQUIRE(os::system_files().set_modified(file, modified));
  CHECK(told((*table)->lookup("key")) == "one");
  scratch.clock.advance(Seconds(3));
  CHECK(told((*table)->lookup("key")) == "two");
}
