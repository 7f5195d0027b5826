#include "lib/table/parts.h"

#include <fmt/format.h>

#include "lib/table/groups.h"

namespace postrider::table {

Result<std::vector<std::string>> elements_of(std::string_view type, const std::string& name,
                                             std::string_view kind) {
  const std::optional<std::string_view> inside = inside_braces(name);
  const auto elements = inside ? split_groups(*inside) : std::nullopt;
  if (!elements || elements->empty())
    return postrider::fail(Trouble::configuration,
                           fmt::format("bad syntax: \"{0}:{1}\"; need \"{0}:{{{2}...}}\"", type, name, kind));
  std::vector<std::string> out;
  for (std::string_view element : *elements) {
    if (element.starts_with('{')) element = inside_braces(element).value_or(element);
    out.emplace_back(element);
  }
  return out;
}

Result<Tables> open_parts(std::string_view type, const std::string& name, const Context& context) {
  const Result<std::vector<std::string>> elements = elements_of(type, name, "type:name");
  if (!elements) return postrider::fail(elements.error());
  Context inner = context;
  ++inner.depth;
  Tables tables;
  for (const std::string& element : *elements) {
    Result<std::unique_ptr<Table>> table = open(element, inner);
    if (!table) return postrider::fail(table.error());
    tables.push_back(std::move(*table));
  }
  return tables;
}

}  // namespace postrider::table
