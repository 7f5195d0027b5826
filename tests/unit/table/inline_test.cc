// The types whose content is in their name: inline, static, unionmap, pipemap, randmap.
#include <catch2/catch.hpp>

#include "tests/unit/table/scratch.h"

using namespace postrider;
using namespace postrider::table;

TEST_CASE("tables in braces answer as Postfix's do") {
  Scratch scratch;
  struct Case {
    const char* spec;
    const char* answer;  // for the key "a"
  };
  for (const Case& c : {
           Case{"inline:{a=b}", "b"},
           Case{"inline:{ {a = b c}, d=e }", "b c"},
           Case{"inline:{a=b, a=c}", "c"},
           Case{"inline:{{A=b}}", "b"},
           Case{"inline:{a=b=c}", "b=c"},
           Case{"inline:{}", "<unopened: bad syntax: \"inline:{}\"; need \"inline:{name=value...}\">"},
           Case{"inline:x", "<unopened: bad syntax: \"inline:x\"; need \"inline:{name=value...}\">"},
           Case{"inline:{ {a = b} x",
                "<unopened: bad syntax: \"inline:{ {a = b} x\"; need \"inline:{name=value...}\">"},
           Case{"inline:{a}",
                "<unopened: missing '=' after attribute name: \"inline:{a}\"; need "
                "\"inline:{name=value...}\">"},
           Case{"inline:{=b}",
                "<unopened: empty attribute name: \"inline:{=b}\"; need \"inline:{name=value...}\">"},
           Case{"static:x", "x"},
           Case{"static:{ x y }", "x y"},
           Case{"unionmap:{static:one,inline:{a=two}}", "one,two"},
           Case{"unionmap:{inline:{b=2}}", "<none>"},
           Case{"unionmap:{}", "<unopened: bad syntax: \"unionmap:{}\"; need \"unionmap:{type:name...}\">"},
           Case{"unionmap:{static:one,fail:x}", "<error: fail:x: this table always fails>"},
           Case{"pipemap:{inline:{a=b},inline:{b=c}}", "c"},
           Case{"pipemap:{inline:{a=b},inline:{q=c}}", "<none>"},
           Case{"pipemap:{static:x, foo:y}", "<unopened: unsupported dictionary type: foo>"},
           Case{"randmap:{x,x}", "x"},
           Case{"randmap:{ {x y} }", "x y"},
           Case{"randmap:{}", "<unopened: bad syntax: \"randmap:{}\"; need \"randmap:{value...}\">"},
       }) {
    INFO(c.spec);
    CHECK(ask(c.spec, "a", scratch.context) == c.answer);
  }
}

TEST_CASE("randmap gives each of its values sooner or later") {
  Scratch scratch;
  const auto table = open("randmap:{one, two, three}", scratch.context);
  REQUIRE(table.has_value());
  std::vector<std::string> seen;
  for (int i = 0; i < 500; ++i) seen.push_back(told((*table)->lookup("k")));
  for (const char* value : {"one", "two", "three"}) CHECK(std::ranges::count(seen, value) > 50);
}

TEST_CASE("tables inside tables end at a depth, not at the end of the stack") {
  Scratch scratch;
  std::string spec = "static:x";
  for (int i = 0; i < 9; ++i) spec = "unionmap:{" + spec + "}";
  CHECK(ask(spec, "a", scratch.context) == "x");
  for (int i = 0; i < 2000; ++i) spec = "unionmap:{" + spec + "}";
  CHECK(ask(spec, "a", scratch.context).find("nested too deeply") != std::string::npos);
}

TEST_CASE("a union of pattern tables is a pattern table, one with a fixed table is not") {
  Scratch scratch;
  const std::string file = scratch.write("m", "/x/ y\n");
  CHECK((*open("unionmap:{regexp:" + file + "}", scratch.context))->pattern());
  CHECK_FALSE((*open("unionmap:{regexp:" + file + ", inline:{a=b}}", scratch.context))->pattern());
}
