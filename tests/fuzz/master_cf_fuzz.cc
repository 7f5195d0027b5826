// master.cf text: what parses has eight fields, and every override a name.

#include <cstdint>
#include <cstdlib>

#include "lib/config/master_cf.h"

using namespace postrider;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t longest = 1 << 16;
  if (size > longest) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<config::MasterCf> parsed = config::MasterCf::parse(text, "master.cf");
  if (!parsed) return 0;
  for (const config::Service& service : parsed->services()) {
    if (service.fields.size() != 8 || service.command.empty()) std::abort();
    if (parsed->find(service.name, config::service_type_name(service.type)) == nullptr) std::abort();
    for (const config::Override& one : service.overrides)
      if (one.name.empty()) std::abort();
  }
  return 0;
}
