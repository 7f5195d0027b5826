// Replies of a server we do not know, line by line.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/base/text.h"
#include "lib/base/utf8.h"
#include "lib/smtp/extensions.h"
#include "lib/smtp/reply.h"

using namespace postrider;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  smtp::ReplyParser parser;
  for (const std::string_view line : split({reinterpret_cast<const char*>(data), size}, '\n')) {
    const auto last = parser.feed(line);
    if (!last) return 0;
    if (!*last) continue;
    const smtp::Reply reply = parser.take();
    if (!is_plain_utf8(reply.text()) || reply.code < 200 || reply.code > 599) std::abort();
    (void)smtp::parse_extensions(reply);
    (void)reply.wire();
  }
  return 0;
}
