// Content in both directions: chunks never matter, and what goes out has exactly one end.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/smtp/data.h"

using namespace postrider::smtp;

namespace {

std::string decode(std::string_view wire, std::size_t chunk, std::size_t& taken, bool& done) {
  DataDecoder decoder(DataDecoder::Framing::dotted);
  std::string out;
  taken = 0;
  while (taken < wire.size() && !decoder.done()) taken += decoder.feed(wire.substr(taken, chunk), out);
  done = decoder.done();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t chunk = 1U + data[0] % 16;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::size_t taken = 0, taken_by_chunk = 0;
  bool done = false, done_by_chunk = false;
  const std::string whole = decode(text, size, taken, done);
  const std::string pieces = decode(text, chunk, taken_by_chunk, done_by_chunk);
  if (taken != taken_by_chunk || done != done_by_chunk || (done && whole != pieces)) std::abort();

  DataEncoder encoder(DataEncoder::Rules{.line_limit = data[0] & 0x80U ? 20U : 998U});
  std::string wire;
  for (std::size_t at = 0; at < text.size(); at += chunk) encoder.feed(text.substr(at, chunk), wire);
  encoder.finish(wire);
  for (std::size_t i = 0; i < wire.size(); ++i) {
    if (wire[i] == '\r' && (i + 1 == wire.size() || wire[i + 1] != '\n')) std::abort();
    if (wire[i] == '\n' && (i == 0 || wire[i - 1] != '\r')) std::abort();
  }
  (void)decode(wire, size, taken, done);
  if (!done || taken != wire.size()) std::abort();

  DataDecoder counted(DataDecoder::Framing::counted);
  std::string content;
  for (std::size_t at = 0; at < text.size(); at += chunk) counted.feed(text.substr(at, chunk), content);
  counted.finish(content);
  if (content.find('\r') != std::string::npos || (!content.empty() && content.back() != '\n')) std::abort();
  return 0;
}
