// regexp: and pcre: tables, where they are alike and where the engines differ.
#include <catch2/catch.hpp>

#include "tests/unit/table/scratch.h"

using namespace postrider;
using namespace postrider::table;

TEST_CASE("patterns are tried in order, with groups in the result") {
  Scratch scratch;
  const std::string file = scratch.write("m",
                                         "/^a(.)(.)?$/  x$1-$2-${1}y$$z $(1)\n"
                                         "/esc\\/aped/ slash\n"
                                         "|alt/slash| other\n"
                                         "/multi\n line/ continued\n"
                                         "/only/\n"
                                         "!/^q/ rest\n");
  for (const char* type : {"regexp:", "pcre:"}) {
    INFO(type);
    CHECK(ask(type + file, "ab", scratch.context) == "xb--by$z b");
    CHECK(ask(type + file, "ABC", scratch.context) == "xB-C-By$z B");
    CHECK(ask(type + file, "x esc/aped x", scratch.context) == "slash");
    CHECK(ask(type + file, "alt/slash", scratch.context) == "other");
    CHECK(ask(type + file, "multi line", scratch.context) == "continued");
    CHECK(ask(type + file, "only", scratch.context) == "");
    CHECK(ask(type + file, "else", scratch.context) == "rest");
    CHECK(ask(type + file, "qlse", scratch.context) == "<none>");
  }
}

TEST_CASE("if and endif guard the rules between them, nested and negated") {
  Scratch scratch;
  const std::string file = scratch.write("m",
                                         "if /^a/\n"
                                         "/1/ a1\n"
                                         "IF !/x/\n"
                                         "/2/ a2-no-x\n"
                                         "endif\n"
                                         "/2/ a2-x\n"
                                         "ENDIF\n"
                                         "/2/ other2\n");
  for (const char* type : {"regexp:", "pcre:"}) {
    INFO(type);
    CHECK(ask(type + file, "a1", scratch.context) == "a1");
    CHECK(ask(type + file, "b1", scratch.context) == "<none>");
    CHECK(ask(type + file, "a2", scratch.context) == "a2-no-x");
    CHECK(ask(type + file, "a2x", scratch.context) == "a2-x");
    CHECK(ask(type + file, "b2", scratch.context) == "other2");
  }
  CHECK(scratch.log.text().empty());
}

TEST_CASE("rules that cannot be used are skipped with file, line and reason") {
  Scratch scratch;
  struct Case {
    const char* rule;
    const char* warning;
  };
  for (const Case& c :
       {Case{"!/foo/ neg $1", "$number found in negative match replacement text: skipping this rule"},
        Case{"/only/", "no replacement text: using empty string"},
        Case{"/noclose x", "no closing regexp delimiter \"/\": skipping this rule"},
        Case{"endif", "ignoring ENDIF without matching IF"}, Case{"if /x/", "IF has no matching ENDIF"},
        Case{"/late/ $3", "out of range replacement index \"3\": skipping this rule"},
        Case{"/late/ $0", "out of range replacement index \"0\": skipping this rule"},
        Case{"/l(a)te/ $name", "bad replacement syntax: skipping this rule"},
        Case{"/l(a)te/ ${1", "bad replacement syntax: skipping this rule"},
        Case{"/l(a)te/ $", "bad replacement syntax: skipping this rule"},
        Case{"/l(a)te/ $99999999999999999999", "bad replacement syntax: skipping this rule"},
        Case{"/bad/Q x", "unknown regexp option \"Q\": skipping this rule"},
        Case{"foo bar", "ignoring unrecognized request"}, Case{"!", "no regexp: skipping this rule"},
        Case{"if", "no regexp: skipping this rule"}}) {
    INFO(c.rule);
    for (const char* type : {"regexp", "pcre"}) {
      MemoryLog log;
      const Context context{os::system_files(), log, scratch.clock};
      const std::string file = scratch.write("m", std::string("# one\n") + c.rule + "\n/late/ next\n");
      const std::string answer = ask(std::string(type) + ":" + file, "late", context);
      CHECK(answer == (std::string_view(c.rule) == "if /x/" ? "<none>" : "next"));
      CHECK(log.text() == "warning: " + std::string(type) + " map " + file + ", line 2: " + c.warning + "\n");
    }
  }
}

TEST_CASE("flags switch case, newlines and syntax as each engine documents") {
  Scratch scratch;
  const std::string file = scratch.write("m", "/^Case$/i exact\n/^two$/m line\n/a b #c/x ext\n");
  CHECK(ask("regexp:" + file, "Case", scratch.context) == "exact");
  CHECK(ask("regexp:" + file, "case", scratch.context) == "<none>");
  CHECK(ask("pcre:" + file, "case", scratch.context) == "<none>");
  for (const char* type : {"regexp:", "pcre:"})
    CHECK(ask(type + file, "one\ntwo\nthree", scratch.context) == "line");
  CHECK(ask("pcre:" + file, "ab", scratch.context) == "ext");
}

TEST_CASE("POSIX takes the longest alternative, Perl the first") {
  Scratch scratch;
  const std::string file = scratch.write("m", "/^(a|ab)/ $1\n");
  CHECK(ask("regexp:" + file, "abcd", scratch.context) == "ab");
  CHECK(ask("pcre:" + file, "abcd", scratch.context) == "a");
}

TEST_CASE("a pattern that explodes is temporary trouble, not a mismatch") {
  Scratch scratch;
  const std::string file = scratch.write("m", "/^(a+)+$/ x\n/./ any\n");
  const auto table = open("pcre:" + file, scratch.context);
  REQUIRE(table.has_value());
  const auto found = (*table)->lookup(std::string(60, 'a') + "!");
  REQUIRE_FALSE(found.has_value());
  CHECK(found.error().is(Trouble::temporary));
  CHECK(found.error().text() == "pcre map " + file + ", line 1: match limit exceeded");
}

TEST_CASE("results longer than a value may be are refused, not built") {
  Scratch scratch;
  std::string rule = "/^(.*)$/ ";
  for (int i = 0; i < 100; ++i) rule += "$1";
  const std::string file = scratch.write("m", rule + "\n");
  for (const char* type : {"regexp:", "pcre:"}) {
    const auto table = open(type + file, scratch.context);
    REQUIRE(table.has_value());
    CHECK(told((*table)->lookup("ab")).size() == 200);
    CHECK_FALSE((*table)->lookup(std::string(100'000, 'x')).has_value());
  }
}

TEST_CASE("pattern tables are asked with whole keys only") {
  Scratch scratch;
  const std::string file = scratch.write("m", "/x/ y\n");
  for (const char* type : {"regexp:", "pcre:", "cidr:"}) {
    const auto table = open(type + file, scratch.context);
    REQUIRE(table.has_value());
    CHECK((*table)->pattern());
  }
  CHECK_FALSE((*open("inline:{a=b}", scratch.context))->pattern());
}
