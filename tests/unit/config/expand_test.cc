#include "lib/config/expand.h"

#include <map>

#include <catch2/catch.hpp>

using postrider::Result;
using postrider::config::expand;
using postrider::config::mentioned_names;
using postrider::config::parse_level;

namespace {

Result<std::string> expanded(std::string_view text) {
  static const std::map<std::string_view, std::string> names{
      {"name", "Postrider"}, {"empty", ""}, {"seven", "7"}};
  return expand(text, [](std::string_view name) -> Result<std::optional<std::string>> {
    const auto found = names.find(name);
    if (found == names.end()) return std::nullopt;
    return found->second;
  });
}

}  // namespace

TEST_CASE("references and conditions expand as in Postfix") {
  const std::pair<const char*, const char*> cases[] = {
      {"plain", "plain"},
      {"$name ${name} $(name)", "Postrider Postrider Postrider"},
      {"$name.x $names/$name", "Postrider.x /Postrider"},
      {"a$$b $$name", "a$b $name"},
      {"[${ name }]", "[Postrider]"},
      {"[$unknown]", "[]"},
      {"[${name?x}] [${empty?x}]", "[x] []"},
      {"[${name:x}] [${empty:x}]", "[] [x]"},
      {"[${unknown?1}${unknown:5}]", "[5]"},
      {"[${name? a}] [${name?{ a }}]", "[ a] [ a ]"},
      {"[${name ? {a} : {b} }] [${empty?{a}:{b}}]", "[a] [b]"},
      {"[${name?{a}:b}] [${empty?{a}:b}]", "[a] [b]"},
      {"[${name?a:{b}}]", "[a:{b}]"},
      {"$(name?{a}:{b})", "a"},
      {"${name?{${empty?{x}:{$seven}}}}", "7"},
      {"${{$name} == {Postrider}?{x}:{y}}", "x"},
      {"${{a} != {b}?{x}}${{a} == {b}?{x}}", "x"},
      {"[${{a}=={a}}] [${{a}=={b}}]", "[true] []"},
      {"${{10} < {9}?{x}:{y}} ${{10} > {9}?{x}:{y}} ${{b} >= {a}?{x}:{y}}", "y x x"},
      {"${{007} == {7}?{y}:{n}} ${{1 } == {1}?{y}:{n}}", "y n"},
      {"${{99999999999999999999999} > {99999999999999999999998}?{y}:{n}}", "y"},
      {"${{3.6} <=level {3.10} ? {x} : {y}} ${{3.6}<={3.10}?{x}:{y}}", "x y"},
      {"${{3}==level{3.0}?{x}:{y}} ${{2} >level {10}?{x}:{y}} ${{1} !=level {2}?{x}}", "x y x"},
      {"${domain_to_ascii{b\xc3\xbc"
       "cher.example}}",
       "xn--bcher-kva.example"},
      {"${domain_to_ascii{$name}}", "postrider"},
      // The branch not taken is not looked at.
      {"${empty?{${}}:{b}}", "b"},
  };
  for (const auto& [text, wanted] : cases) {
    INFO(text);
    const Result<std::string> got = expanded(text);
    REQUIRE(got);
    CHECK(*got == wanted);
  }
}

TEST_CASE("malformed references are errors that show the place") {
  const std::pair<const char*, const char*> cases[] = {
      {"a$", "empty macro name: \"a$\""},
      {"$-x", "empty macro name: \"$-x\""},
      {"${}", "empty macro name: \"\""},
      {"${name", "truncated macro reference: \"${name\""},
      {"$(name", "truncated macro reference: \"$(name\""},
      {"${name-x}", "attribute name syntax error: \"name-x\""},
      {"${name?{a}{b}}", "\":\" expected at: \"{b}\""},
      {"${name:{a}?{b}}", "unexpected input: \"?{b}\""},
      {"${{a} ~ {b}?{c}}", "\"==\", \"!=\", \"<\", \"<=\", \">=\" or \">\" expected at: \"~ {b}?{c}\""},
      {"${{a} == b}", "\"{expression}\" expected at: \"b\""},
      {"${{1} <level {x}?{c}}", "malformed compatibility level syntax: \"x\""},
      {"${nonsense{x}}", "no function of this name: \"nonsense\""},
  };
  for (const auto& [text, wanted] : cases) {
    INFO(text);
    const Result<std::string> got = expanded(text);
    REQUIRE_FALSE(got);
    CHECK(got.error().is(postrider::Trouble::configuration));
    CHECK(got.error().text() == wanted);
  }
}

TEST_CASE("deep nesting and huge results are refused") {
  std::string deep;
  for (int i = 0; i < 500; ++i) deep += "${name?{";
  for (int i = 0; i < 500; ++i) deep += "}}";
  CHECK_FALSE(expanded(deep));
  std::string wide;
  for (int i = 0; i < 200'000; ++i) wide += "$name";
  CHECK_FALSE(expanded(wide));
}

TEST_CASE("names are found in conditions and branches") {
  CHECK(mentioned_names("$a ${b?{$c}:{${d}}} $$e ${{$f}=={x}?{$(g)}} $a $ x") ==
        std::vector<std::string>{"a", "b", "c", "d", "f", "g"});
  CHECK(mentioned_names("$a ${b?{$c}:{${d}}} ${e : {$f}}", true) ==
        std::vector<std::string>{"a", "c", "d", "f"});
}

TEST_CASE("levels compare by their parts") {
  CHECK(parse_level("3.6") < parse_level("3.10"));
  CHECK(parse_level("3") == parse_level("3.0.0"));
  CHECK_FALSE(parse_level("3.x"));
  CHECK_FALSE(parse_level(""));
  CHECK_FALSE(parse_level("1.2.3.4"));
}
