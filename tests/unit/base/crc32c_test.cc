#include "lib/base/crc32c.h"

#include <catch2/catch.hpp>
#include <string>

using namespace postrider;

TEST_CASE("CRC-32C has its published value and agrees with the table, in any pieces") {
  CHECK(crc32c("123456789") == 0xe3069283U);
  CHECK(crc32c("") == 0);
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aaU);    // RFC 3720 B.4
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43U);  // RFC 3720 B.4
  std::string text;
  for (int i = 0; i < 301; ++i) {
    CHECK(crc32c(text) == crc32c_portable(text));
    const std::string_view all(text);
    const std::size_t cut = text.size() / 3;
    CHECK(crc32c(all.substr(cut), crc32c(all.substr(0, cut))) == crc32c(text));
    text += static_cast<char>(i * 37);
  }
}
