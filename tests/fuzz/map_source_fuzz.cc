// Sources of hash: and texthash: tables, key folding, and tables written inside main.cf.
#include <cstdint>
#include <cstdlib>

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/os/files.h"
#include "lib/table/fold.h"
#include "lib/table/maps.h"
#include "lib/table/source.h"

using namespace postrider;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  MemoryLog log;
  table::SourceLines lines(input, "f", log);
  while (const auto line = lines.next()) {
    if (line->text.empty() || is_space(line->text.front())) std::abort();
    if (const Result<table::KeyValue> entry = table::split_key_value(line->text)) {
      const std::string folded = table::fold(entry->key, true);
      if (table::valid_utf8(entry->key) != table::valid_utf8(folded)) std::abort();
    }
  }
  // Only types without files, whatever the input says.
  const ManualClock clock;
  const table::Context context{os::system_files(), log, clock};
  for (const char* type : {"inline:", "unionmap:{static:x,inline:", "randmap:"}) {
    const std::string spec = type + std::string(input) + (type[0] == 'u' ? "}" : "");
    if (type[0] == 'u' && input.find(':') != std::string_view::npos) continue;
    if (const auto opened = table::open(spec, context)) static_cast<void>((*opened)->lookup("key"));
  }
  return 0;
}
