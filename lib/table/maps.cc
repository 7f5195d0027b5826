#include "lib/table/maps.h"

#include <algorithm>

#include <fmt/format.h>

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/table/groups.h"

namespace postrider::table {

namespace {

// How long a table that could not be opened is left alone.
constexpr Seconds reopen_interval{1};

}  // namespace

struct Maps::Entry {
  Entry(std::string spec_text, const Context& its_context)
      : spec(std::move(spec_text)), context(its_context) {
    reopen();
    if (!table) context.log.warning("{} is unavailable. {}", spec, trouble);
  }

  void reopen() {
    Result<std::unique_ptr<Table>> opened = table::open(spec, context);
    tried = context.clock.mono();
    if (opened)
      table = std::move(*opened);
    else
      trouble = opened.error().text();
  }

  const std::string spec;
  const Context context;
  std::unique_ptr<Table> table;  // empty: in trouble
  std::string trouble;
  MonoTime tried{};
};

Maps Maps::open(std::string title, std::string_view list, const Context& context) {
  Maps maps;
  maps.title_ = std::move(title);
  const auto elements = split_groups(list);
  if (!elements) {
    context.log.warning("{}: unbalanced braces in \"{}\"", maps.title_, list);
    // Not nothing: whatever was meant, its answers are unknown.
    maps.tables_.push_back(std::make_shared<Entry>(std::string(trim(list)), context));
    return maps;
  }
  for (const std::string_view element : *elements)
    maps.tables_.push_back(std::make_shared<Entry>(std::string(element), context));
  return maps;
}

Result<std::optional<std::string>> Maps::lookup(std::string_view key, Keys keys) const {
  if (key.empty()) return std::nullopt;
  for (const auto& entry : tables_) {
    if (!entry->table && entry->context.clock.mono() - entry->tried >= reopen_interval) entry->reopen();
    if (!entry->table)
      return fail(Trouble::temporary, fmt::format("{} is unavailable. {}", entry->spec, entry->trouble));
    if (keys == Keys::partial && entry->table->pattern()) continue;
    Result<std::optional<std::string>> found = entry->table->lookup(key);
    if (!found) {
      entry->context.log.warning("{} lookup error for \"{}\": {}", entry->table->name(), key,
                                 found.error().text());
      return fail(Trouble::temporary, found.error().text(), found.error().os_error());
    }
    if (!*found) continue;
    if ((*found)->empty()) {
      entry->context.log.warning("{} lookup of {} returns an empty string result", title_, key);
      entry->context.log.warning("{} should return NO RESULT in case of NOT FOUND", title_);
      return fail(Trouble::temporary, fmt::format("{}: empty result for \"{}\"", entry->table->name(), key));
    }
    return found;
  }
  return std::nullopt;
}

bool Maps::blocks() const {
  // A table that is not open yet is of a kind nobody knows.
  return std::ranges::any_of(tables_,
                             [](const auto& entry) { return !entry->table || entry->table->blocks(); });
}

std::optional<std::string> Maps::trouble() const {
  for (const auto& entry : tables_)
    if (!entry->table) return fmt::format("{} is unavailable. {}", entry->spec, entry->trouble);
  return std::nullopt;
}

}  // namespace postrider::table
