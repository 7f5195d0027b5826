#include "lib/config/list.h"

#include <unistd.h>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>

using namespace postrider;
using namespace postrider::config;

namespace {

// A file that goes away with the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view content) {
    const int fd = ::mkstemp(name_.data());
    REQUIRE(fd >= 0);
    REQUIRE(::write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
    ::close(fd);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { ::unlink(name_.c_str()); }
  const std::string& name() const { return name_; }

 private:
  std::string name_ = "/tmp/config-list-test-XXXXXX";
};

}  // namespace

TEST_CASE("lists split at commas and white space, braces hold together") {
  CHECK(*split_list(" a,b  c\t,\n d ,, ") == std::vector<std::string>{"a", "b", "c", "d"});
  CHECK(*split_list("{ check_policy_service unix:x, timeout=10s }, permit") ==
        std::vector<std::string>{"{ check_policy_service unix:x, timeout=10s }", "permit"});
  CHECK(*split_list("inline:{a=b, {c = d e}} static:x") ==
        std::vector<std::string>{"inline:{a=b, {c = d e}}", "static:x"});
  CHECK(split_list("")->empty());
  CHECK_FALSE(split_list("{a"));
  CHECK_FALSE(split_list("a}"));
  CHECK(without_braces("{ a b }") == "a b");
  CHECK(without_braces("a b") == "a b");
}

TEST_CASE("exclamation marks negate") {
  CHECK_FALSE(parse_pattern("a").negated);
  CHECK(parse_pattern("!a").negated);
  CHECK_FALSE(parse_pattern("!!a").negated);
  CHECK(parse_pattern("!10.0.0.0/8").text == "10.0.0.0/8");
}

TEST_CASE("files in a list are replaced by what they hold") {
  const TemporaryFile inner("x.example\n# comment\n y.example\n");
  const TemporaryFile outer("a.example, b.example\n" + inner.name() + "\n");
  CHECK(*include_files({"first", outer.name(), "last"}) ==
        std::vector<std::string>{"first", "a.example", "b.example", "x.example", "y.example", "last"});
  const auto missing = include_files({"/nonexistent/file"});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().text().find("/nonexistent/file") != std::string::npos);
}

TEST_CASE("a file that includes itself is refused") {
  TemporaryFile file("");
  std::FILE* out = std::fopen(file.name().c_str(), "w");
  REQUIRE(out != nullptr);
  std::fputs((file.name() + " " + file.name() + "\n").c_str(), out);
  std::fclose(out);
  const auto items = include_files({file.name()});
  REQUIRE_FALSE(items);
  CHECK(items.error().text().find("include each other") != std::string::npos);
}

TEST_CASE("durations have units") {
  CHECK(parse_duration("10") == Seconds(10));
  CHECK(parse_duration("10", 'h') == Seconds(36000));
  CHECK(parse_duration("5m") == Seconds(300));
  CHECK(parse_duration("1W") == Seconds(604800));
  CHECK(parse_fine_duration("100ms") == Milliseconds(100));
  CHECK(parse_fine_duration("2") == Milliseconds(2000));
  for (const char* bad :
       {"", "s", "-1s", "1 s", "1x", "1ms", "99999999999999999999", "9223372036854775807w", "1ss", "0x10"})
    CHECK_FALSE(parse_duration(bad));
}

TEST_CASE("durations print in the largest unit that divides them") {
  CHECK(duration_text(Seconds(0)) == "0s");
  CHECK(duration_text(Seconds(300)) == "5m");
  CHECK(duration_text(Seconds(301)) == "301s");
  CHECK(duration_text(Seconds(432000)) == "5d");
}

TEST_CASE("sizes and truth have one meaning") {
  CHECK(parse_bytes("20M") == 20971520);
  CHECK(parse_bytes("0") == 0);
  CHECK_FALSE(parse_bytes("1e3"));
  CHECK_FALSE(parse_bytes("9223372036854775807k"));
  CHECK(parse_boolean("Yes") == true);
  CHECK(parse_boolean("no") == false);
  CHECK_FALSE(parse_boolean("true"));
}
