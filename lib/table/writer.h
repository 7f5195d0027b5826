// Making and changing the tables that are files: hash, btree, lmdb, cdb. For prmap and pralias.
//
// A writer works on "name.db.tmp…" in the table's own directory and renames it when done, so a
// reader sees the old table or the new one, never part of one, and a writer that is stopped half-way
// leaves the old table in place. Changes to an existing table are made on a copy, one writer at a
// time. Runs on the command line: it may block.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "lib/os/fd.h"
#include "lib/table/table.h"

namespace postrider::table {

struct WriterOptions {
  // What put() does where the key is there already.
  enum class Duplicates { keep, replace };
  Duplicates duplicates = Duplicates::keep;
  unsigned mode = 0644;  // permissions of a new file
  // Whether keys and values are stored with a NUL behind them. Unset: as postmap does for the type
  // (hash, btree and lmdb do, cdb does not). Readers accept both.
  std::optional<bool> nul_terminated;
};

class Writer {
 public:
  virtual ~Writer() = default;  // forgets everything that was not committed

  // False when the key was there already and its value was kept. Keys are folded as the context says.
  virtual Result<bool> put(std::string_view key, std::string_view value) = 0;
  // As it is, without folding and NUL bytes, in place of what is there: the markers that NIS looks for.
  virtual Result<> put_marker(std::string_view key, std::string_view value) = 0;
  // False when the key was not there.
  virtual Result<bool> erase(std::string_view key) = 0;
  // Makes the new table durable and puts it in place. The writer is of no use after it.
  virtual Result<> commit() = 0;

  // The file that readers open, for messages.
  virtual const std::string& file() const = 0;
};

// An empty table that will replace what is there. An error (configuration) for types that have no
// database to build.
Result<std::unique_ptr<Writer>> build(const Spec& spec, const WriterOptions& options, const Context& context);

// The table with what it holds now; an empty one if `create` and there is none, not_found otherwise.
Result<std::unique_ptr<Writer>> modify(const Spec& spec, bool create, const WriterOptions& options,
                                       const Context& context);

// The database file of a type: name + ".db", ".lmdb", ".cdb". Empty for types without one.
std::string database_file(const Spec& spec);

}  // namespace postrider::table
