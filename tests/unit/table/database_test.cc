// The types that are database files: what is on disk, and who may replace it when.
#include <algorithm>

#include <fcntl.h>
#include <catch2/catch.hpp>

#include "lib/os/credentials.h"
#include "tests/unit/table/scratch.h"

using namespace postrider;
using namespace postrider::table;

namespace {

const std::vector<std::string> database_types = {"hash", "btree", "lmdb", "cdb"};

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("tables that Postfix's postmap wrote are read as they are") {
  Scratch scratch;
  for (const std::string& type : database_types) {
    INFO(type);
    const std::string suffix = type == "hash" || type == "btree" ? ".db" : "." + type;
    const std::string kept = suffix == ".db" ? "postfix-" + type + ".db" : "postfix" + suffix;
    scratch.write("t-" + type + suffix, bytes_of("tests/unit/table/data/" + kept));
    const std::string spec = type + ":" + scratch.path("t-" + type);
    CHECK(ask(spec, "alpha", scratch.context) == "first value");
    CHECK(ask(spec, "User@example.com", scratch.context) == "x, y");
    CHECK(ask(spec, "@example.org", scratch.context) == "all");
    CHECK(ask(spec, "@example.com", scratch.context) == "<none>");
  }
}

TEST_CASE("keys and values carry their NUL in the file as postmap stores them") {
  Scratch scratch;
  for (const std::string& type : database_types) {
    INFO(type);
    const bool by_default = type != "cdb";
    for (const std::optional<bool> nul : {std::optional<bool>(), std::optional(true), std::optional(false)}) {
      const std::string name = scratch.path("t");
      const Spec spec{type, name};
      REQUIRE(make_database(spec, {{"somekey", "somevalue"}}, scratch.context, {.nul_terminated = nul}));
      const std::string bytes = bytes_of(database_file(spec));
      // Berkeley's hash and btree pages are filled from the end, so value and key stand reversed or
      // apart; what matters is the byte behind each.
      const auto behind = [&](std::string_view word) { return bytes.at(bytes.find(word) + word.size()); };
      if (nul.value_or(by_default)) {
        CHECK(behind("somekey") == '\0');
        CHECK(behind("somevalue") == '\0');
      } else if (type == "cdb") {
        CHECK(behind("somekey") == 's');
      }
      CHECK(ask(type + ":" + name, "somekey", scratch.context) == "somevalue");
    }
  }
}

TEST_CASE("a table without terminators beside entries that have them finds both kinds") {
  Scratch scratch;
  for (const std::string& type : database_types) {
    INFO(type);
    const Spec spec{type, scratch.path("t")};
    Result<std::unique_ptr<Writer>> writer = build(spec, {}, scratch.context);
    REQUIRE(writer.has_value());
    REQUIRE((*writer)->put("with", "nul").has_value());
    REQUIRE((*writer)->put_marker("YP_LAST_MODIFIED", "0123456789").has_value());
    REQUIRE((*writer)->commit().has_value());
    std::vector<std::string> seen;
    const auto table = open(type + ":" + spec.name, scratch.context);
    REQUIRE(table.has_value());
    REQUIRE((*table)->each([&](std::string_view key, std::string_view value) {
      seen.push_back(std::string(key) + "=" + std::string(value));
      return true;
    }));
    std::ranges::sort(seen);
    CHECK(seen == std::vector<std::string>{"YP_LAST_MODIFIED=0123456789", "with=nul"});
  }
}

TEST_CASE("a second entry of a key is kept out or replaces the first, as asked") {
  Scratch scratch;
  for (const std::string& type : database_types) {
    INFO(type);
    const Spec spec{type, scratch.path("t")};
    using Duplicates = WriterOptions::Duplicates;
    for (const Duplicates duplicates : {Duplicates::keep, Duplicates::replace}) {
      Result<std::unique_ptr<Writer>> writer = build(spec, {.duplicates = duplicates}, scratch.context);
      REQUIRE(writer.has_value());
      CHECK((*writer)->put("Key", "one").value());
      CHECK((*writer)->put("kEY", "two").value() == (duplicates == Duplicates::replace));
      REQUIRE((*writer)->commit().has_value());
      CHECK(ask(type + ":" + spec.name, "key", scratch.context) ==
            (duplicates == Duplicates::replace ? "two" : "one"));
    }
  }
}

TEST_CASE("an open table goes on with the new file after it was replaced") {
  Scratch scratch;
  for (const std::string& type : database_types) {
    INFO(type);
    const Spec spec{type, scratch.path("t")};
    REQUIRE(make_database(spec, {{"a", "old"}, {"gone", "x"}}, scratch.context));
    const auto table = open(type + ":" + spec.name, scratch.context);
    REQUIRE(table.has_value());
    CHECK(told((*table)->lookup("a")) == "old");
    for (int i = 0; i < 20; ++i) {
      REQUIRE(make_database(spec, {{"a", std::to_string(i)}}, scratch.context));
      CHECK(told((*table)->lookup("a")) == std::to_string(i));
      CHECK(told((*table)->lookup("gone")) == "<none>");
    }
  }
}

TEST_CASE("what a writer began is invisible until committed and leaves nothing behind when dropped") {
  Scratch scratch;
  for (const std::string& type : database_types) {
    INFO(type);
    const Spec spec{type, scratch.path("t-" + type)};
    REQUIRE(make_database(spec, {{"a", "old"}}, scratch.context));
    const std::vector<std::string> before = scratch.names();
    {
      Result<std::unique_ptr<Writer>> writer = build(spec, {}, scratch.context);
      REQUIRE(writer.has_value());
      REQUIRE((*writer)->put("a", "new").has_value());
      CHECK(ask(type + ":" + spec.name, "a", scratch.context) == "old");
    }
    CHECK(scratch.names().size() == before.size());
    CHECK(ask(type + ":" + spec.name, "a", scratch.context) == "old");
  }
}

TEST_CASE("changes are made to a copy: added, removed and replaced entries beside the rest") {
  Scratch scratch;
  for (const std::string& type : database_types) {
    INFO(type);
    const Spec spec{type, scratch.path("t-" + type)};
    CHECK(modify(spec, false, {}, scratch.context).error().is(Trouble::not_found));
    for (const char* key : {"a", "b"}) {
      Result<std::unique_ptr<Writer>> writer = modify(spec, true, {}, scratch.context);
      REQUIRE(writer.has_value());
      CHECK((*writer)->put(key, "1").value());
      REQUIRE((*writer)->commit().has_value());
    }
    Result<std::unique_ptr<Writer>> writer = modify(spec, false, {}, scratch.context);
    REQUIRE(writer.has_value());
    CHECK((*writer)->erase("A").value());
    CHECK_FALSE((*writer)->erase("c").value());
    CHECK_FALSE((*writer)->put("b", "2").value());
    REQUIRE((*writer)->commit().has_value());
    const std::string name = type + ":" + spec.name;
    CHECK(ask(name, "a", scratch.context) == "<none>");
    CHECK(ask(name, "b", scratch.context) == "1");
  }
}

TEST_CASE("a large table is built and read back whole") {
  Scratch scratch;
  for (const std::string& type : database_types) {
    INFO(type);
    const Spec spec{type, scratch.path("t-" + type)};
    Context small = scratch.context;
    small.lmdb_map_size = 1 << 20;
    Result<std::unique_ptr<Writer>> writer = build(spec, {}, small);
    REQUIRE(writer.has_value());
    for (int i = 0; i < 20'000; ++i)
      REQUIRE((*writer)->put("user" + std::to_string(i) + "@example.com",
                             std::string(100, 'v') + std::to_string(i)));
    REQUIRE((*writer)->put("long", std::string(1'000'000, 'x')).has_value());
    REQUIRE((*writer)->commit().has_value());
    const auto table = open(type + ":" + spec.name, scratch.context);
    REQUIRE(table.has_value());
    CHECK(told((*table)->lookup("user19999@example.com")) == std::string(100, 'v') + "19999");
    CHECK(told((*table)->lookup("long")).size() == 1'000'000);
    int count = 0;
    REQUIRE((*table)->each([&](std::string_view, std::string_view) { return ++count > 0; }));
    CHECK(count == 20'001);
  }
}

TEST_CASE("a new file has the mode asked for, a rebuilt one keeps its own") {
  Scratch scratch;
  for (const std::string& type : database_types) {
    INFO(type);
    const Spec spec{type, scratch.path("t-" + type)};
    REQUIRE(make_database(spec, {}, scratch.context, {.mode = 0640}));
    const auto mode = [&] { return os::system_files().stat(database_file(spec))->mode; };
    CHECK(mode() == 0640);
    chmod(database_file(spec).c_str(), 0604);
    REQUIRE(make_database(spec, {}, scratch.context, {.mode = 0640}));
    CHECK(mode() == 0604);
  }
}

TEST_CASE("files that are no database are trouble with a reason") {
  Scratch scratch;
  for (const std::string& type : database_types) {
    const Spec spec{type, scratch.path("t-" + type)};
    for (const std::string& content : {std::string("not a database\n"), std::string(20'000, '\xff')}) {
      INFO(type);
      const std::string file = database_file(spec);
      scratch.write(file.substr(file.rfind('/') + 1), content);
      const auto table = open(type + ":" + spec.name, scratch.context);
      if (!table) CHECK(table.error().text().starts_with("open database " + file + ": "));
      if (table) CHECK_FALSE((*table)->lookup("x").value_or(std::nullopt).has_value());
    }
    REQUIRE(unlink(database_file(spec).c_str()) == 0);
    REQUIRE(mkfifo(database_file(spec).c_str(), 0600) == 0);
    const auto fifo = open(type + ":" + spec.name, scratch.context);
    REQUIRE_FALSE(fifo.has_value());
    CHECK(fifo.error().is(Trouble::configuration));
  }
}

TEST_CASE("a database older than its source is pointed out") {
  Scratch scratch;
  const std::string source = scratch.write("t", "a b\n");
  REQUIRE(make_database({"hash", source}, {{"a", "b"}}, scratch.context));
  const WallTime now = os::system_files().stat(source)->modified;
  REQUIRE(os::system_files().set_modified(source, now - Seconds(10)));
  CHECK(ask("hash:" + source, "a", scratch.context) == "b");
  CHECK(scratch.log.text().empty());
  REQUIRE(os::system_files().set_modified(source, now + Seconds(10)));
  CHECK(ask("hash:" + source, "a", scratch.context) == "b");
  CHECK(scratch.log.text() ==
        "warning: database " + source + ".db is older than source file " + source + "\n");
}

TEST_CASE("hash and btree are told apart by the file, not by the name in main.cf") {
  Scratch scratch;
  REQUIRE(make_database({"btree", scratch.path("t")}, {{"a", "b"}}, scratch.context));
  CHECK(ask("hash:" + scratch.path("t"), "a", scratch.context) == "b");
}

TEST_CASE("types without a database to build are refused by name") {
  Scratch scratch;
  CHECK(build({"texthash", "x"}, {}, scratch.context).error().text() ==
        "unsupported map type for this operation: texthash");
  CHECK(modify({"foo", "x"}, true, {}, scratch.context).error().text() == "unsupported dictionary type: foo");
}

TEST_CASE("root does not leave a table of its own in another user's directory") {
  if (!os::running_as_root()) return;
  Scratch scratch;
  const std::string directory = scratch.path("");
  REQUIRE(chown(directory.c_str(), 1, 1) == 0);
  for (const std::string& type : database_types) {
    INFO(type);
    const Result<> made = make_database({type, scratch.path("t")}, {{"a", "b"}}, scratch.context);
    REQUIRE_FALSE(made.has_value());
    CHECK(made.error().is(Trouble::access));
    CHECK(made.error().text().starts_with("refusing to create " + scratch.path("t") + "."));
  }
  REQUIRE(chown(directory.c_str(), 0, 0) == 0);
  REQUIRE(chmod(directory.c_str(), 0777) == 0);
  CHECK_FALSE(make_database({"hash", scratch.path("t")}, {}, scratch.context).has_value());
  REQUIRE(chmod(directory.c_str(), 01777) == 0);
  CHECK(make_database({"hash", scratch.path("t")}, {}, scratch.context).has_value());
  REQUIRE(chmod(directory.c_str(), 0700) == 0);
  CHECK(scratch.names() == std::vector<std::string>{"t.db"});
}
