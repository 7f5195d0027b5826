// What holds for every table type, asked of each in turn.
#include <algorithm>

#include <catch2/catch.hpp>

#include "tests/unit/table/scratch.h"

using namespace postrider;
using namespace postrider::table;

namespace {

// A table of each type in which "alpha" is "one" and "b c" or 192.0.2.1 has nothing to do with it.
struct Sample {
  std::string spec;
  std::string key = "alpha";
  std::string value = "one";
  std::string absent = "beta";
  bool folds = false;       // finds ALPHA too
  bool everything = false;  // finds every key
};

std::vector<Sample> samples(const Scratch& scratch) {
  for (const char* type : {"hash", "btree", "lmdb", "cdb"})
    REQUIRE(
        make_database({type, scratch.path(std::string(type) + "-map")}, {{"Alpha", "one"}}, scratch.context));
  const std::string text = scratch.write("text", "# comment\nAlpha one\n");
  const std::string patterns = scratch.write("patterns", "/^alpha$/ one\n");
  const std::string networks = scratch.write("networks", "192.0.2.0/24 one\n");
  setenv("alpha", "one", 1);
  unsetenv("beta");
  return {
      {.spec = "hash:" + scratch.path("hash-map"), .folds = true},
      {.spec = scratch.path("hash-map"), .folds = true},
      {.spec = "proxy:hash:" + scratch.path("hash-map"), .folds = true},
      {.spec = "btree:" + scratch.path("btree-map"), .folds = true},
      {.spec = "lmdb:" + scratch.path("lmdb-map"), .folds = true},
      {.spec = "cdb:" + scratch.path("cdb-map"), .folds = true},
      {.spec = "texthash:" + text, .folds = true},
      {.spec = "inline:{ Alpha=one, { gamma = t w o } }", .folds = true},
      {.spec = "static:one", .everything = true},
      {.spec = "static:{ one }", .everything = true},
      {.spec = "environ:x"},
      {.spec = "regexp:" + patterns, .folds = true},
      {.spec = "pcre:" + patterns, .folds = true},
      {.spec = "cidr:" + networks, .key = "192.0.2.17", .absent = "192.0.3.1"},
      {.spec = "unionmap:{inline:{alpha=one}, inline:{gamma=two}}", .folds = true},
      {.spec = "pipemap:{inline:{alpha=x}, inline:{x=one}}", .folds = true},
      {.spec = "randmap:{one, one}", .everything = true},
      {.spec = "unix:group.byname", .key = "root", .value = "root:x:0:", .absent = "no-such-group"},
  };
}

}  // namespace

TEST_CASE("every table type finds what it holds and tells what it does not") {
  Scratch scratch;
  for (const Sample& sample : samples(scratch)) {
    INFO(sample.spec);
    const Result<std::unique_ptr<Table>> table = open(sample.spec, scratch.context);
    REQUIRE(table.has_value());
    for (int i = 0; i < 3; ++i) {
      CHECK(told((*table)->lookup(sample.key)) == sample.value);
      CHECK(told((*table)->lookup(sample.absent)) == (sample.everything ? sample.value : "<none>"));
    }
    if (sample.folds) CHECK(told((*table)->lookup("ALPHA")) == "one");
    CHECK(scratch.log.text().empty());
  }
}

TEST_CASE("no table type trips over keys that are empty, long, binary or not UTF-8") {
  Scratch scratch;
  for (const Sample& sample : samples(scratch)) {
    INFO(sample.spec);
    const Result<std::unique_ptr<Table>> table = open(sample.spec, scratch.context);
    REQUIRE(table.has_value());
    const std::string nothing = sample.everything ? sample.value : "<none>";
    CHECK(told((*table)->lookup("")) == nothing);
    CHECK(told((*table)->lookup(std::string(1000, 'x'))) == nothing);
    CHECK(told((*table)->lookup(std::string(max_key_length, 'x'))) == nothing);
    CHECK(told((*table)->lookup("\xff\xfe\x80")) == nothing);
    CHECK(told((*table)->lookup("../../etc/passwd")) == nothing);
    // The terminator of a stored key is no part of what may be asked for.
    if (sample.spec.find("randmap") == std::string::npos)
      CHECK(told((*table)->lookup(std::string(sample.key) + '\0')) == "<none>");
    const auto huge = (*table)->lookup(std::string(max_key_length + 1, 'x'));
    CHECK_FALSE(huge.has_value());
  }
}

TEST_CASE("every type has a sample, so that a new one is held to the same") {
  Scratch scratch;
  const std::vector<Sample> all = samples(scratch);
  for (const std::string& type : types()) {
    if (type == "fail" || type == "proxy") continue;
    INFO(type);
    CHECK(std::ranges::any_of(all, [&](const Sample& s) { return s.spec.starts_with(type + ":"); }));
  }
}

TEST_CASE("types that can list themselves list every entry once") {
  Scratch scratch;
  for (const Sample& sample : samples(scratch)) {
    INFO(sample.spec);
    const Result<std::unique_ptr<Table>> table = open(sample.spec, scratch.context);
    REQUIRE(table.has_value());
    std::vector<std::string> seen;
    const Result<> listed = (*table)->each([&](std::string_view key, std::string_view value) {
      seen.push_back(std::string(key) + "=" + std::string(value));
      return true;
    });
    const bool database = sample.folds && sample.spec.find("map:") == std::string::npos &&
                          !sample.spec.starts_with("regexp") && !sample.spec.starts_with("pcre");
    CHECK(listed.has_value() == database);
    if (listed) CHECK(std::ranges::count(seen, "alpha=one") == 1);
    if (!listed)
      CHECK(listed.error().text() == "table " + (*table)->name() + ": sequence operation is not supported");
  }
}

TEST_CASE("a table that is not there says so and is never empty instead") {
  Scratch scratch;
  for (const char* type : {"hash", "btree", "lmdb", "cdb", "texthash", "regexp", "pcre", "cidr"}) {
    INFO(type);
    const Result<std::unique_ptr<Table>> table =
        open(std::string(type) + ":" + scratch.path("none"), scratch.context);
    REQUIRE_FALSE(table.has_value());
    CHECK(table.error().is(Trouble::not_found));
    CHECK(table.error().text().starts_with("open database " + scratch.path("none")));
    CHECK(table.error().text().ends_with(": No such file or directory"));
  }
}

TEST_CASE("a file that vanishes under an open table is trouble, and cured when it is back") {
  Scratch scratch;
  for (const char* type : {"hash", "btree", "lmdb", "cdb", "texthash", "regexp", "pcre"}) {
    INFO(type);
    const std::string name = scratch.path(std::string(type) + "-gone");
    const Spec spec{type, name};
    const bool database = !database_file(spec).empty();
    const std::string file = database ? database_file(spec) : name;
    const auto put = [&] {
      if (database)
        REQUIRE(make_database(spec, {{"key", "value"}}, scratch.context));
      else
        scratch.write(std::string(type) + "-gone", type[0] == 't' ? "key value\n" : "/key/ value\n");
    };
    put();
    const Result<std::unique_ptr<Table>> table = open(spec.type + ":" + spec.name, scratch.context);
    REQUIRE(table.has_value());
    CHECK(told((*table)->lookup("key")) == "value");
    REQUIRE(rename(file.c_str(), (file + ".away").c_str()) == 0);
    const auto gone = (*table)->lookup("key");
    REQUIRE_FALSE(gone.has_value());
    CHECK(gone.error().is(Trouble::temporary));
    put();
    CHECK(told((*table)->lookup("key")) == "value");
  }
}

TEST_CASE("unknown types and shapeless specifications are refused with the reason") {
  Scratch scratch;
  CHECK(ask("foo:bar", "k", scratch.context) == "<unopened: unsupported dictionary type: foo>");
  CHECK(ask("static:", "k", scratch.context) ==
        "<unopened: open dictionary: expecting \"type:name\" form instead of \"static:\">");
  CHECK(ask("unix:shadow", "k", scratch.context) == "<unopened: unknown table: unix:shadow>");
  CHECK(ask("fail:x", "k", scratch.context) == "<error: fail:x: this table always fails>");
}
