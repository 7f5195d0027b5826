// Building databases from source files, for prmap and pralias.
#pragma once

#include <string>

#include "lib/table/table.h"
#include "tools/map_command.h"

namespace postrider::tools {

// Makes or extends the database of each table in `request`; `in` is where -i reads from. Started by root,
// a file of another user is built with that user's rights, and his only. 0, or what was fatal.
Result<int> build_maps(const MapRequest& request, const table::Context& context, int in);

// "open database file: reason", for an error of table::build or table::modify.
std::string open_error(const table::Spec& spec, const Error& error);

}  // namespace postrider::tools
