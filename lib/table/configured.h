// The tables' surroundings as main.cf sets them, the same for every program.
#pragma once

#include "lib/config/common.h"
#include "lib/table/table.h"

namespace postrider::table {

// `files`, `log` and `clock` outlive every table opened with the result.
inline Context configured(const config::Tables& tables, const config::Limits& limits, os::Files& files,
                          Log& log, const Clock& clock) {
  return {.files = files,
          .log = log,
          .clock = clock,
          .default_type = tables.default_database_type(),
          .berkeley_read_buffer = static_cast<std::size_t>(tables.berkeley_db_read_buffer_size()),
          .berkeley_create_buffer = static_cast<std::size_t>(tables.berkeley_db_create_buffer_size()),
          .lmdb_map_size = static_cast<std::size_t>(tables.lmdb_map_size()),
          .fold_utf8 = limits.smtputf8_enable()};
}

}  // namespace postrider::table
