#include "lib/table/alias_text.h"

#include <catch2/catch.hpp>

#include "tests/unit/table/scratch.h"

using namespace postrider;
using namespace postrider::table;

namespace {

// "kind:text" of each target with commas between, or "<error: text>".
std::string targets_of(std::string_view value) {
  const auto targets = parse_alias_value(value);
  if (!targets) return "<error: " + targets.error().text() + ">";
  std::string out;
  for (const AliasTarget& target : *targets) {
    constexpr const char* kinds[] = {"a", "c", "f", "h", "i"};
    out += (out.empty() ? "" : ", ") + std::string(kinds[static_cast<int>(target.kind)]) + ":" + target.text;
  }
  return out;
}

std::string pair_of(std::string_view line) {
  const Result<KeyValue> entry = split_alias(line);
  return entry ? entry->key + "=" + entry->value : "<error: " + entry.error().text() + ">";
}

}  // namespace

TEST_CASE("an alias line is a name, quoted or not, a colon and a value") {
  CHECK(pair_of("a: b, c") == "a=b, c");
  CHECK(pair_of("\"q r\" : s") == "q r=s");
  CHECK(pair_of("\"x@y\": s") == "x@y=s");
  CHECK(pair_of("sp :\tv ") == "sp=v");
  CHECK(pair_of("a b: c") == "a b=c");
  CHECK(pair_of("f (comment): g") == "f=g");
  CHECK(pair_of("d: \"|foo bar\" e") == "d=\"|foo bar\" e");
  CHECK(pair_of("y: :include:/x/y") == "y=:include:/x/y");
  CHECK(pair_of("bad line") == "<error: need name:value pair>");
  CHECK(pair_of("none:") == "<error: need name:value pair>");
  CHECK(pair_of(": x") == "<error: need name:value pair>");
  CHECK(pair_of("x@y: z") == "<error: name must be local>");
  CHECK(pair_of("\"x: z") == "<error: unbalanced '\"'>");
  CHECK(pair_of("(x: z") == "<error: unbalanced '('>");
}

TEST_CASE("a value names addresses, commands, files and lists") {
  CHECK(targets_of("a, b@c.example,d") == "a:a, a:b@c.example, a:d");
  CHECK(targets_of("\"|/bin/cmd -x \\\"a b\\\"\"") == "c:/bin/cmd -x \"a b\"");
  CHECK(targets_of("|/bin/cmd") == "c:/bin/cmd");
  CHECK(targets_of("|\"/bin/cmd arg, arg\"") == "c:/bin/cmd arg, arg");
  CHECK(targets_of("| /bin/cmd a:b user@host") == "c:/bin/cmd a:b user@host");
  CHECK(targets_of("/var/mail/x, \"/var/mail/a b\", /var/Maildir/") ==
        "f:/var/mail/x, f:/var/mail/a b, f:/var/Maildir/");
  CHECK(targets_of("~/mail, ~other/mail") == "h:~/mail, h:~other/mail");
  CHECK(targets_of(":include:/etc/list, :INCLUDE: \"/a b\"") == "i:/etc/list, i:/a b");
  CHECK(targets_of("\":include:/etc/list\"") == "i:/etc/list");
  CHECK(targets_of("\\root, \\user@example.com") == "a:root, a:user@example.com");
  CHECK(targets_of("") == "");
  CHECK(targets_of(" , ,, ") == "");
}

TEST_CASE("addresses come in every form of RFC 822") {
  CHECK(targets_of("Joe Doe <joe@example.com>, <x@y>") == "a:joe@example.com, a:x@y");
  CHECK(targets_of("\"Doe, Joe\" <joe@example.com> (his (old) address)") == "a:joe@example.com");
  CHECK(targets_of("\"a b\"@example.com") == "a:a b@example.com");
  CHECK(targets_of("joe @ example . com") == "a:joe@example.com");
  CHECK(targets_of("user@[192.0.2.1]") == "a:user@[192.0.2.1]");
  CHECK(targets_of("friends: a@x, b@x; c@x") == "a:a@x, a:b@x, a:c@x");
  CHECK(targets_of("<@relay.example,@other:joe@example.com>") == "<error: unbalanced '<'>");
  CHECK(targets_of("<@relay.example:joe@example.com>") == "a:joe@example.com");
  // An X.400 address is no file name.
  CHECK(targets_of("/c=us/o=x/@gateway.example") == "a:/c=us/o=x/@gateway.example");
}

TEST_CASE("what does not pair is refused whole") {
  CHECK(targets_of("a, \"b") == "<error: unbalanced '\"'>");
  CHECK(targets_of("a (b") == "<error: unbalanced '('>");
  CHECK(targets_of("a) b") == "<error: unbalanced ')'>");
  CHECK(targets_of("<a") == "<error: unbalanced '<'>");
  CHECK(targets_of("a>") == "<error: unbalanced '>'>");
  CHECK(targets_of("a@[b") == "<error: unbalanced '['>");
  CHECK(targets_of(std::string_view("a\0b", 3)) == "<error: NUL byte in value>");
  CHECK(targets_of(std::string_view("a@[\0]", 6)) == "<error: NUL byte in value>");
  CHECK(targets_of(std::string_view("\"a\0b\"", 5)) == "<error: NUL byte in value>");
}

TEST_CASE("comments nested without end cost no stack and lists without end are cut off") {
  CHECK(targets_of(std::string(1'000'000, '(')) == "<error: unbalanced '('>");
  CHECK(targets_of(std::string(500'000, '(') + std::string(500'000, ')') + "x") == "a:x");
  std::string many;
  for (std::size_t i = 0; i <= max_alias_targets; ++i) many += "a,";
  CHECK(targets_of(many) == "<error: more than 250000 destinations>");
}

TEST_CASE("a forward file holds values line by line with comments") {
  MemoryLog log;
  const auto targets = parse_alias_file(
      "# mine\n\\joe, \"|/usr/bin/vacation joe\"\n  , joe@elsewhere.example\n\n/home/joe/x\n", "f", log);
  REQUIRE(targets.has_value());
  using Kind = AliasTarget::Kind;
  CHECK(*targets == std::vector<AliasTarget>{{Kind::address, "joe"},
                                             {Kind::command, "/usr/bin/vacation joe"},
                                             {Kind::address, "joe@elsewhere.example"},
                                             {Kind::file, "/home/joe/x"}});
  CHECK(parse_alias_file("a\n\"b\n", "f", log).error().text() == "f, line 2: unbalanced '\"'");
}
