#include "lib/base/utf8.h"

#include <catch2/catch.hpp>

using namespace postrider;

TEST_CASE("UTF-8 is exactly RFC 3629") {
  for (const char* good :
       {"", "a", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf"})
    CHECK(is_utf8(good));
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xed\xa0\x80",
                          "\xe2\x82", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"})
    CHECK_FALSE(is_utf8(bad));
}

TEST_CASE("characters that act on a screen are not plain") {
  CHECK(
      is_plain_utf8("gr\xc3\xbc\xc3\x9f"
                    "e \xe6\x97\xa5"));
  for (const char* bad :
       {"\x1b[2J", "a\nb", "\x7f", "\xc2\x9b", "\xe2\x80\xa8", "\xe2\x80\xae", "\xe2\x81\xa6", "\xff"})
    CHECK_FALSE(is_plain_utf8(bad));
}
