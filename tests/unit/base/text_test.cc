#include "lib/base/text.h"

#include <catch2/catch.hpp>

using namespace postrider;

TEST_CASE("base64 round trips every length and refuses what it would not write") {
  for (std::size_t n = 0; n < 40; ++n) {
    std::string bytes;
    for (std::size_t i = 0; i < n; ++i) bytes += static_cast<char>(i * 37 + n);
    CHECK(base64_decode(base64_encode(bytes)) == bytes);
  }
  CHECK(base64_encode("Aladdin:open sesame") == "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  for (const char* bad : {"A", "AA", "AAA", "AA=A", "AB==", "AAB=", "A===", "AA A", "====", "AA\n="})
    CHECK_FALSE(base64_decode(bad).has_value());
}

TEST_CASE("hexadecimal decodes both cases and nothing else") {
  CHECK(hex_encode("\x01\xff") == "01ff");
  CHECK(hex_decode("01FF") == "\x01\xff");
  CHECK_FALSE(hex_decode("0").has_value());
  CHECK_FALSE(hex_decode("0g").has_value());
}

TEST_CASE("numbers are the whole text or nothing") {
  CHECK(parse_number<int>("42") == 42);
  CHECK(parse_number<unsigned>("7b", 16) == 0x7bU);
  for (const char* bad : {"", " 1", "1 ", "+1", "99999999999", "0x1"})
    CHECK_FALSE(parse_number<int>(bad).has_value());
  CHECK_FALSE(parse_number<unsigned>("-1").has_value());
}

TEST_CASE("split keeps empty pieces, split_any drops them") {
  CHECK(split("a,,b,", ',') == std::vector<std::string_view>{"a", "", "b", ""});
  CHECK(split_any(" a, b ,", ", ") == std::vector<std::string_view>{"a", "b"});
}

TEST_CASE("case folding is ASCII only") {
  CHECK(iequals("RcPt", "rCpT"));
  CHECK_FALSE(iequals("\xc3\x84", "\xc3\xa4"));
  CHECK(istarts_with("MAIL FROM:<>", "mail from:"));
  CHECK(trim(" \t a b\r\n") == "a b");
}
