// pipemap:{type:name, type:name}: each table's result is the next one's key.
#include "lib/table/parts.h"
#include "lib/table/types.h"

namespace postrider::table {

namespace {

class Pipe final : public Table {
 public:
  Pipe(const std::string& name, Tables tables, const Context& context)
      : Table("pipemap:" + name, {.pattern = tables.front()->pattern(), .blocks = any_blocks(tables)},
              context),
        tables_(std::move(tables)) {}

 private:
  Result<std::optional<std::string>> find(std::string_view key) override {
    std::string value(key);
    for (const auto& table : tables_) {
      Result<std::optional<std::string>> found = table->lookup(value);
      if (!found || !*found) return found;
      value = std::move(**found);
    }
    return value;
  }

  const Tables tables_;
};

}  // namespace

Opened open_pipemap(const std::string& name, const Context& context) {
  Result<Tables> tables = open_parts("pipemap", name, context);
  if (!tables) return postrider::fail(tables.error());
  return std::make_unique<Pipe>(name, std::move(*tables), context);
}

}  // namespace postrider::table
