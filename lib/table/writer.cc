#include "lib/table/writer.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "lib/table/writers.h"

namespace postrider::table {

namespace {

struct Database {
  std::string_view type;
  std::string_view suffix;
  Made (*write)(Replacement, bool has_content, const WriterOptions&, const Context&);
};

constexpr std::array<Database, 4> databases{{
    {"btree", ".db", write_btree},
    {"cdb", ".cdb", write_cdb},
    {"hash", ".db", write_hash},
    {"lmdb", ".lmdb", write_lmdb},
}};

const Database* find_database(const Spec& spec) {
  const auto found = std::ranges::find(databases, spec.type, &Database::type);
  return found == databases.end() ? nullptr : found;
}

std::unexpected<Error> not_a_database(const Spec& spec) {
  const auto all = types();
  const bool known = std::ranges::find(all, spec.type) != all.end();
  return fail(Trouble::configuration,
              known ? fmt::format("unsupported map type for this operation: {}", spec.type)
                    : fmt::format("unsupported dictionary type: {}", spec.type));
}

}  // namespace

Result<std::unique_ptr<Writer>> build(const Spec& spec, const WriterOptions& options,
                                      const Context& context) {
  const Database* database = find_database(spec);
  if (database == nullptr) return not_a_database(spec);
  Result<Replacement> replacement = Replacement::begin(database_file(spec), context);
  if (!replacement) return fail(replacement.error());
  return database->write(std::move(*replacement), false, options, context);
}

Result<std::unique_ptr<Writer>> modify(const Spec& spec, bool create, const WriterOptions& options,
                                       const Context& context) {
  const Database* database = find_database(spec);
  if (database == nullptr) return not_a_database(spec);
  Result<Replacement> replacement = Replacement::begin_from_current(database_file(spec), context);
  if (replacement) return database->write(std::move(*replacement), true, options, context);
  if (create && replacement.error().is(Trouble::not_found)) return build(spec, options, context);
  return fail(replacement.error());
}

std::string database_file(const Spec& spec) {
  const Database* database = find_database(spec);
  return database == nullptr ? std::string() : spec.name + std::string(database->suffix);
}

}  // namespace postrider::table
