// Rules of regexp: and pcre: tables, and a key to try them on: the first line is the key.
#include <cstdint>

#include "lib/base/log.h"
#include "lib/os/files.h"
#include "lib/table/table.h"

using namespace postrider;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = input.find('\n');
  if (end == std::string_view::npos) return 0;
  const std::string_view rules = input.substr(end + 1);
  const Result<os::Fd> file = os::memory_file("rules", {{rules}});
  if (!file) return 0;
  const std::string path = "/proc/self/fd/" + std::to_string(file->get());
  MemoryLog log;
  const ManualClock clock;
  const table::Context context{os::system_files(), log, clock};
  // The C library's engine takes exponential time and memory for some patterns by design (nested
  // counted repeats), and patterns are the administrator's: it is left to the tests.
  for (const char* type : {"pcre:", "cidr:"}) {
    const Result<std::unique_ptr<table::Table>> opened = table::open(type + path, context);
    if (opened) static_cast<void>((*opened)->lookup(input.substr(0, end)));
  }
  return 0;
}
