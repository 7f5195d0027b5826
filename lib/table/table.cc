#include "lib/table/table.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "lib/base/text.h"
#include "lib/table/fold.h"
#include "lib/table/types.h"

namespace postrider::table {

namespace {

struct Type {
  std::string_view name;
  Opened (*open)(const std::string& name, const Context& context);
};

constexpr std::array<Type, 16> all_types{{
    {"btree", open_btree},
    {"cdb", open_cdb},
    {"cidr", open_cidr},
    {"environ", open_environ},
    {"fail", open_fail},
    {"hash", open_hash},
    {"inline", open_inline},
    {"lmdb", open_lmdb},
    {"pcre", open_pcre},
    {"pipemap", open_pipemap},
    {"randmap", open_randmap},
    {"regexp", open_regexp},
    {"static", open_static},
    {"texthash", open_texthash},
    {"unionmap", open_unionmap},
    {"unix", open_unix},
}};

constexpr int max_depth = 10;

}  // namespace

Result<std::optional<std::string>> Table::lookup(std::string_view key) {
  if (key.size() > max_key_length)
    return fail(Trouble::permanent, fmt::format("{}: lookup key of {} bytes is too long", name_, key.size()));
  // No source can hold a NUL, and one at the end would reach an entry stored with its terminator.
  if (!traits_.pattern && key.find('\0') != std::string_view::npos) return std::nullopt;
  Result<std::optional<std::string>> found =
      traits_.fold && context_.fold_keys ? find(fold(key, context_.fold_utf8)) : find(key);
  if (found && *found && (*found)->size() > max_value_length)
    return fail(Trouble::temporary,
                fmt::format("{}: value of {} bytes is too long", name_, (*found)->size()));
  return found;
}

Result<> Table::each(const EachEntry&) {
  return fail(Trouble::permanent, fmt::format("table {}: sequence operation is not supported", name_));
}

Spec parse_spec(std::string_view spec, const Context& context) {
  spec = trim(spec);
  while (spec.starts_with("proxy:")) spec.remove_prefix(6);
  const std::size_t colon = spec.find(':');
  const std::size_t slash = spec.find('/');
  // "/path/with:colon" has no type.
  if (colon == std::string_view::npos || slash < colon) return {context.default_type, std::string(spec)};
  return {std::string(spec.substr(0, colon)), std::string(trim(spec.substr(colon + 1)))};
}

Result<std::unique_ptr<Table>> open(std::string_view spec, const Context& context) {
  const auto [type, name] = parse_spec(spec, context);
  if (type.empty() || name.empty())
    return fail(Trouble::configuration,
                fmt::format("open dictionary: expecting \"type:name\" form instead of \"{}\"", trim(spec)));
  if (context.depth > max_depth)
    return fail(Trouble::configuration, fmt::format("{}:{}: tables are nested too deeply", type, name));
  const auto found = std::ranges::find(all_types, type, &Type::name);
  if (found == all_types.end())
    return fail(Trouble::configuration, fmt::format("unsupported dictionary type: {}", type));
  return found->open(name, context);
}

std::vector<std::string> types() {
  std::vector<std::string> names;
  for (const Type& type : all_types) names.emplace_back(type.name);
  names.emplace_back("proxy");
  std::ranges::sort(names);
  return names;
}

}  // namespace postrider::table
