// main.cf text: parsing, expansion of every value, name checks and edits keep their promises on any bytes.

#include <cstdint>
#include <cstdlib>

#include "lib/config/catalogue.h"
#include "lib/config/common.h"
#include "lib/config/list.h"
#include "lib/config/main_cf_editor.h"
#include "lib/config/match_list.h"
#include "lib/config/values.h"

using namespace postrider;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t longest = 1 << 14;
  if (size > longest) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Result<config::MainCf> parsed = config::MainCf::parse(text, "main.cf");
  if (!parsed) return 0;
  // What edits leave still parses, and an edit of nothing is nothing.
  if (config::remove_from_main_cf(text, {"no such name"}).text != text) std::abort();
  if (!parsed->entries().empty()) {
    const std::string name = parsed->entries().front().name;
    const Result<config::MainCf> without =
        config::MainCf::parse(config::remove_from_main_cf(text, {name}).text, "main.cf");
    if (!without || without->find(name) != nullptr) std::abort();
    const Result<config::MainCf> with =
        config::MainCf::parse(config::set_in_main_cf(text, {{name, "value"}}).text, "main.cf");
    if (!with || with->find(name) == nullptr || with->find(name)->value != "value") std::abort();
  }
  const config::Values values = config::Values::of(*parsed, "/etc/postrider");
  for (const config::MainCfEntry& entry : parsed->entries()) {
    const Result<std::string> value = values.text(entry.name);
    if (!value) continue;
    const auto items = config::split_list(*value);
    if (!items) continue;
    for (const auto kind : {config::MatchKind::text, config::MatchKind::client})
      if (const auto list = config::MatchList::make(*items, kind))
        static_cast<void>(list->matches("a.example.org"));
  }
  static const config::Catalogue& catalogue = [] -> const config::Catalogue& {
    static config::Catalogue all;
    config::declare_common(all);
    return all;
  }();
  static_cast<void>(config::check_names(values, nullptr, catalogue));
  return 0;
}
