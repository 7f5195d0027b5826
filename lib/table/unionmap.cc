// unionmap:{type:name, type:name}: the results of all tables, with commas between.
#include "lib/table/parts.h"
#include "lib/table/types.h"

namespace postrider::table {

namespace {

// A pattern among the parts that see the caller's key forbids partial keys, unless a fixed table
// beside it needs them.
bool only_patterns(const Tables& tables) {
  for (const auto& table : tables)
    if (!table->pattern()) return false;
  return true;
}

class Union final : public Table {
 public:
  Union(const std::string& name, Tables tables, const Context& context)
      : Table("unionmap:" + name, {.pattern = only_patterns(tables), .blocks = any_blocks(tables)}, context),
        tables_(std::move(tables)) {}

 private:
  Result<std::optional<std::string>> find(std::string_view key) override {
    std::optional<std::string> all;
    for (const auto& table : tables_) {
      Result<std::optional<std::string>> found = table->lookup(key);
      if (!found) return found;
      if (!*found) continue;
      if (all && all->size() + (*found)->size() >= max_value_length)
        return postrider::fail(Trouble::temporary, name() + ": result is too long");
      if (all)
        *all += "," + **found;
      else
        all = std::move(**found);
    }
    return all;
  }

  const Tables tables_;
};

}  // namespace

Opened open_unionmap(const std::string& name, const Context& context) {
  Result<Tables> tables = open_parts("unionmap", name, context);
  if (!tables) return postrider::fail(tables.error());
  return std::make_unique<Union>(name, std::move(*tables), context);
}

}  // namespace postrider::table
