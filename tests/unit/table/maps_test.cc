#include "lib/table/maps.h"

#include <catch2/catch.hpp>

#include "tests/unit/table/scratch.h"

using namespace postrider;
using namespace postrider::table;

TEST_CASE("the first table of a list that knows the key answers") {
  Scratch scratch;
  const Maps maps =
      Maps::open("x_maps", "inline:{a=1}, inline:{ {a = 2}, {b = 3} }\n static:4", scratch.context);
  CHECK(told(maps.lookup("a")) == "1");
  CHECK(told(maps.lookup("b")) == "3");
  CHECK(told(maps.lookup("c")) == "4");
  CHECK(told(maps.lookup("")) == "<none>");
  CHECK(told(Maps().lookup("a")) == "<none>");
  CHECK(Maps::open("x_maps", " , ", scratch.context).empty());
}

TEST_CASE("a table in trouble hides those behind it but not those before it") {
  Scratch scratch;
  const Maps maps = Maps::open("x_maps", "inline:{a=1} fail:x static:4", scratch.context);
  CHECK(told(maps.lookup("a")) == "1");
  const auto found = maps.lookup("b");
  REQUIRE_FALSE(found.has_value());
  CHECK(found.error().is(Trouble::temporary));
  CHECK(scratch.log.contains("warning: fail:x lookup error for \"b\": "));
}

TEST_CASE("a table that cannot be opened fails lookups until it appears") {
  Scratch scratch;
  const std::string name = scratch.path("later");
  const Maps maps = Maps::open("x_maps", "hash:" + name, scratch.context);
  const std::string text =
      "hash:" + name + " is unavailable. open database " + name + ".db: No such file or directory";
  CHECK(scratch.log.text() == "warning: " + text + "\n");
  CHECK(told(maps.lookup("a")) == "<error: " + text + ">");
  CHECK(maps.trouble() == text);
  REQUIRE(make_database({"hash", name}, {{"a", "b"}}, scratch.context));
  CHECK(told(maps.lookup("a")) == "<error: " + text + ">");
  scratch.clock.advance(Seconds(2));
  CHECK(told(maps.lookup("a")) == "b");
  CHECK_FALSE(maps.trouble().has_value());
}

TEST_CASE("parts of a key never reach pattern tables") {
  Scratch scratch;
  const std::string file = scratch.write("m", "/./ pattern\n");
  const Maps maps = Maps::open("x_maps", "regexp:" + file + ", static:fixed", scratch.context);
  CHECK(told(maps.lookup("a")) == "pattern");
  CHECK(told(maps.lookup("a", Maps::Keys::partial)) == "fixed");
}

TEST_CASE("an empty result is trouble, since nobody can have meant it") {
  Scratch scratch;
  const Maps maps = Maps::open("x_maps", "inline:{ {a = } }", scratch.context);
  CHECK_FALSE(maps.lookup("a").has_value());
  CHECK(scratch.log.text() ==
        "warning: x_maps lookup of a returns an empty string result\n"
        "warning: x_maps should return NO RESULT in case of NOT FOUND\n");
}

TEST_CASE("a list with unbalanced braces is trouble and not empty") {
  Scratch scratch;
  const Maps maps = Maps::open("x_maps", "inline:{a=b", scratch.context);
  CHECK_FALSE(maps.empty());
  CHECK_FALSE(maps.lookup("a").has_value());
}
