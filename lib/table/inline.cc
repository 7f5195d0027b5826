// inline:{ key = value, { key = text with spaces } }
#include <fmt/format.h>

#include "lib/base/text.h"
#include "lib/table/fold.h"
#include "lib/table/groups.h"
#include "lib/table/types.h"

namespace postrider::table {

namespace {

class Inline final : public Table {
 public:
  Inline(const std::string& name, StringMap<std::string> entries, const Context& context)
      : Table("inline:" + name, {.pattern = false, .fold = true}, context), entries_(std::move(entries)) {}

  Result<> each(const EachEntry& visit) override {
    for (const auto& [key, value] : entries_)
      if (!visit(key, value)) break;
    return {};
  }

 private:
  Result<std::optional<std::string>> find(std::string_view key) override {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return std::nullopt;
    return found->second;
  }

  const StringMap<std::string> entries_;
};

}  // namespace

Opened open_inline(const std::string& name, const Context& context) {
  const auto syntax = [&] {
    return postrider::fail(Trouble::configuration,
                           fmt::format("bad syntax: \"inline:{}\"; need \"inline:{{name=value...}}\"", name));
  };
  const std::optional<std::string_view> inside = inside_braces(name);
  if (!inside || inside->empty()) return syntax();
  const std::optional<std::vector<std::string_view>> elements = split_groups(*inside);
  if (!elements) return syntax();
  StringMap<std::string> entries;
  for (const std::string_view element : *elements) {
    std::string_view pair = element;
    if (element.starts_with('{')) {
      const std::optional<std::string_view> inner = inside_braces(element);
      if (!inner) return syntax();
      pair = *inner;
    }
    const std::size_t equals = pair.find('=');
    const std::string_view key = trim(pair.substr(0, equals));
    if (equals == std::string_view::npos)
      return postrider::fail(
          Trouble::configuration,
          fmt::format("missing '=' after attribute name: \"inline:{}\"; need \"inline:{{name=value...}}\"",
                      name));
    if (key.empty())
      return postrider::fail(
          Trouble::configuration,
          fmt::format("empty attribute name: \"inline:{}\"; need \"inline:{{name=value...}}\"", name));
    entries.insert_or_assign(context.fold_keys ? fold(key, context.fold_utf8) : std::string(key),
                             std::string(trim(pair.substr(equals + 1))));
  }
  return std::make_unique<Inline>(name, std::move(entries), context);
}

}  // namespace postrider::table
