// Header blocks of any content: fields tile the block, and a formatted value stays one field.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/message/header.h"
#include "lib/message/mbox.h"

using namespace postrider::message;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view content(reinterpret_cast<const char*>(data), size);
  HeaderScanner scanner(content, {.field = 100, .fields = 50});
  std::size_t at = 0;
  while (const auto field = scanner.next()) {
    if (field->offset != at || field->raw.empty()) std::abort();
    at += field->raw.size();
    const std::string one = format_header("X", field->body) + "Y: z\n";
    HeaderScanner again(one);
    const auto x = again.next();
    const auto y = again.next();
    if (!x || !y || x->name != "X" || y->name != "Y" || again.next()) std::abort();
  }
  if (!scanner.too_many()) {
    HeaderBoundary boundary;
    std::optional<std::size_t> found;
    for (std::size_t end = 0; !found; end += 1 + end / 7) {
      found = boundary.find(content.substr(0, end), end >= content.size());
      if (end >= content.size()) break;
    }
    if (found != scanner.body_offset()) std::abort();
  }
  MboxQuoter whole, pieces;
  std::string a, b;
  whole.feed(content, a);
  whole.finish(a);
  for (std::size_t i = 0; i < size; i += 3) pieces.feed(content.substr(i, 3), b);
  pieces.finish(b);
  if (a != b) std::abort();
  return 0;
}
