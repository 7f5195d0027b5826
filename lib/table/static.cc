// static:value and static:{ text with spaces }: the same answer for every key.
#include <fmt/format.h>

#include "lib/table/groups.h"
#include "lib/table/types.h"

namespace postrider::table {

namespace {

class Static final : public Table {
 public:
  Static(const std::string& name, std::string value, const Context& context)
      : Table("static:" + name, {}, context), value_(std::move(value)) {}

 private:
  Result<std::optional<std::string>> find(std::string_view) override { return value_; }

  const std::string value_;
};

}  // namespace

Opened open_static(const std::string& name, const Context& context) {
  std::string_view value = name;
  if (name.starts_with('{')) {
    const std::optional<std::string_view> inside = inside_braces(name);
    if (!inside)
      return postrider::fail(Trouble::configuration, fmt::format("bad {{}} syntax: \"static:{}\"", name));
    value = *inside;
  }
  return std::make_unique<Static>(name, std::string(value), context);
}

}  // namespace postrider::table
