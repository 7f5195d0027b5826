// POP3 command lines from strangers.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lib/pop3/command.h"
#include "lib/pop3/reply.h"

using namespace postrider::pop3;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto line = split_command(text);
  if (!line) return 0;
  const std::string_view arguments = line->arguments;
  if (const auto top = parse_top(arguments); top && top->number == 0) std::abort();
  if (const auto apop = parse_apop(arguments); apop && apop->digest.size() != 32) std::abort();
  (void)parse_auth(arguments);
  (void)parse_optional_number(arguments);
  (void)parse_credential(arguments);
  const std::string reply = err(arguments, "SYS/TEMP");
  if (reply.size() > 512 || reply.find('\n') != reply.size() - 1) std::abort();
  return 0;
}
