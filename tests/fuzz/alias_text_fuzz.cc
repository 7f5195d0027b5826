// Alias lines, alias values and .forward files.
#include <cstdint>
#include <cstdlib>

#include "lib/base/log.h"
#include "lib/table/alias_text.h"

using namespace postrider;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  MemoryLog log;
  if (const Result<table::KeyValue> entry = table::split_alias(input))
    if (entry->key.empty() || entry->value.empty()) std::abort();
  if (const auto targets = table::parse_alias_value(input))
    for (const table::AliasTarget& target : *targets)
      if (target.text.find('\0') != std::string::npos) std::abort();
  static_cast<void>(table::parse_alias_file(input, "f", log));
  return 0;
}
