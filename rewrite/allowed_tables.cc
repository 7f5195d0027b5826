#include "rewrite/allowed_tables.h"

#include "lib/config/catalogue.h"
#include "lib/config/common.h"
#include "lib/config/master_cf.h"
#include "lib/config/values.h"
#include "lib/table/groups.h"
#include "rewrite/config.h"

namespace postrider::rewrite {

namespace {

std::string_view without_proxy(std::string_view table) {
  while (table.starts_with("proxy:")) table.remove_prefix(6);
  return table;
}

}  // namespace

void AllowedTables::add(std::string_view value, int depth) {
  constexpr int max_depth = 10;
  if (depth > max_depth) return;
  const auto items = table::split_groups(value);
  if (!items) return;
  for (std::string_view item : *items) {
    while (item.starts_with('!')) item.remove_prefix(1);
    if (item.starts_with('{')) {
      // { check_client_access hash:/x, … } and its like
      if (const auto inside = table::inside_braces(item)) add(*inside, depth + 1);
    } else if (item.find(':') != std::string_view::npos) {
      tables_.emplace(without_proxy(item), true);
    }
  }
}

AllowedTables AllowedTables::collect(const config::Values& values, const config::MasterCf* master) {
  AllowedTables allowed;
  const auto add_expanded = [&](std::string_view text) {
    if (const Result<std::string> expanded = values.expand(text)) allowed.add(*expanded, 0);
  };
  for (const config::MainCfEntry& entry : values.main_cf().entries()) add_expanded(entry.value);
  config::Catalogue defaults;
  config::declare_common(defaults);
  declare_rewrite(defaults);
  for (const auto& [name, setting] : defaults.settings())
    if (const Result<std::string> text = values.text(name)) allowed.add(*text, 0);
  if (master != nullptr)
    for (const config::Service& service : master->services())
      for (const config::Override& override : service.overrides) add_expanded(override.value);
  return allowed;
}

bool AllowedTables::allows(std::string_view maps) const {
  const auto items = table::split_groups(maps);
  if (!items || items->empty()) return false;
  for (const std::string_view item : *items)
    if (!tables_.contains(without_proxy(item))) return false;
  return true;
}

}  // namespace postrider::rewrite
