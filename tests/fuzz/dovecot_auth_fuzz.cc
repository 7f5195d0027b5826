// Lines of a client of Dovecot's authentication protocol.
#include <cstddef>
#include <cstdint>
#include <string>

#include "auth/dovecot_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace postrider::auth;
  const std::string line(data, data + size);
  const auto command = parse_dovecot_line(line);
  if (command && command->start.service.size() > 64) __builtin_trap();
  if (dovecot_unescape(dovecot_escape(line)) != line) __builtin_trap();
  return 0;
}
