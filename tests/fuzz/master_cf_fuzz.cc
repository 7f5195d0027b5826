// master.cf text: what parses has eight fields, every override a name, and what is printed reads back as the
// same.

#include <cstdint>
#include <cstdlib>

#include "lib/config/master_cf.h"
#include "lib/config/master_cf_editor.h"

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
    const std::string plain = config::service_text(service, false);
    for (const bool folded : {false, true}) {
      const Result<config::Service> again = config::parse_service(config::service_text(service, folded));
      if (!again || config::service_text(*again, false) != plain) std::abort();
      if (again->fields != service.fields || again->overrides.size() != service.overrides.size())
        std::abort();
      for (std::size_t i = 0; i < service.overrides.size(); ++i)
        if (again->overrides[i].name != service.overrides[i].name ||
            again->overrides[i].value != service.overrides[i].value)
          std::abort();
    }
    const Result<config::Service> changed = config::with_override(service, "fuzz_name", "a b");
    if (!changed ||
        config::without_override(*changed, "fuzz_name")->overrides.size() > service.overrides.size())
      std::abort();
  }
  const auto keep = [](const config::Service&, std::string&) { return config::EntryChange::keep; };
  if (config::edit_master_cf(text, "master.cf", keep).value_or("") != text) std::abort();
  const auto drop = [](const config::Service&, std::string&) { return config::EntryChange::remove; };
  const Result<std::string> emptied = config::edit_master_cf(text, "master.cf", drop);
  if (!emptied || !config::MasterCf::parse(*emptied, "master.cf").value().entries().empty()) std::abort();
  return 0;
}
