#include "lib/base/log.h"

namespace postrider {

std::string_view severity_prefix(Level level) {
  switch (level) {
    case Level::debug:
    case Level::info: return "";
    case Level::warning: return "warning: ";
    case Level::error: return "error: ";
    case Level::fatal: return "fatal: ";
    case Level::panic: return "panic: ";
  }
  return "";
}

std::string printable(std::string_view text) {
  std::string safe(text);
  for (char& c : safe) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = '?';
  }
  return safe;
}

void MemoryLog::write(Level level, std::string_view text) {
  text_ += severity_prefix(level);
  text_ += printable(text);
  text_ += '\n';
}

}  // namespace postrider
