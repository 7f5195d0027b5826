// The parts of tables that are made of others: unionmap:{…}, pipemap:{…}, randmap:{…}.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/table/table.h"

namespace postrider::table {

using Tables = std::vector<std::unique_ptr<Table>>;

// The elements of `name`, which is "{…}", at least one, without braces of their own. `kind` says in
// the error (configuration) what an element is.
Result<std::vector<std::string>> elements_of(std::string_view type, const std::string& name,
                                             std::string_view kind);

inline bool any_blocks(const Tables& tables) {
  for (const auto& table : tables)
    if (table->blocks()) return true;
  return false;
}

// The tables that are named there, one nesting deeper than `context`.
Result<Tables> open_parts(std::string_view type, const std::string& name, const Context& context);

}  // namespace postrider::table
