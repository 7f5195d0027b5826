// Lookup tables: one interface for every "type:name" that main.cf may name.
//
// Used by whoever resolves addresses, expands aliases or applies rules; processes that face the
// network ask the rewrite service instead. What a table holds is the administrator's and trusted,
// what is looked up in it is not. A table notices that its file was replaced and opens the new one.
// Lookups may read the disk or run system databases, so they stay off loops that serve others. A
// table belongs to one thread at a time; different tables may be used in parallel.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/error.h"

namespace postrider {
class Log;
namespace os {
class Files;
}
}  // namespace postrider

namespace postrider::table {

// Longest key that is looked up and longest value that is given out, in bytes.
inline constexpr std::size_t max_key_length = 128 * 1024;
inline constexpr std::size_t max_value_length = 4 * 1024 * 1024;

// What tables need from their process. The referenced objects outlive every table opened with it.
struct Context {
  os::Files& files;
  Log& log;
  const Clock& clock;
  std::string default_type = "hash";                      // default_database_type
  std::size_t berkeley_read_buffer = 128 * 1024;          // berkeley_db_read_buffer_size, bytes
  std::size_t berkeley_create_buffer = 16 * 1024 * 1024;  // berkeley_db_create_buffer_size, bytes
  std::size_t lmdb_map_size = 16 * 1024 * 1024;           // lmdb_map_size, bytes
  bool fold_keys = true;                                  // false: prmap -f
  bool fold_utf8 = true;                                  // smtputf8_enable: beyond ASCII too
  int depth = 0;                                          // nesting of unionmap, pipemap
};

// One row of a sequence; return false to stop.
using EachEntry = std::function<bool(std::string_view key, std::string_view value)>;

class Table {
 public:
  struct Traits {
    bool pattern = false;  // keys are matched, not found: ask with whole keys only
    bool fold = false;     // keys are folded to lower case before they are looked up
    bool blocks = false;   // waits for other processes or hosts, not only for a local file
  };

  virtual ~Table() = default;
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  // The value under `key`, or nullopt when the table has none. Trouble with the table is an error
  // (temporary; permanent for a key over max_key_length) and never "not found".
  Result<std::optional<std::string>> lookup(std::string_view key);

  // Every entry in the table's own order. Error (permanent) where the type cannot list itself.
  virtual Result<> each(const EachEntry& visit);

  const std::string& name() const { return name_; }  // "type:name"
  bool pattern() const { return traits_.pattern; }
  bool blocks() const { return traits_.blocks; }

 protected:
  Table(std::string name, Traits traits, const Context& context)
      : context_(context), name_(std::move(name)), traits_(traits) {}

  // `key` is folded already where the traits ask for it, and holds no NUL for tables of fixed keys.
  virtual Result<std::optional<std::string>> find(std::string_view key) = 0;

  const Context context_;

 private:
  const std::string name_;
  const Traits traits_;
};

// Opens "type:name", "name" (of the default type) or "proxy:type:name" (the prefix changes nothing
// here). Errors are worded for the operator: unknown type (configuration), a file that cannot be
// opened (not_found, access, temporary).
Result<std::unique_ptr<Table>> open(std::string_view spec, const Context& context);

// Type and name of a specification, with "proxy:" removed and the default type filled in.
struct Spec {
  std::string type;
  std::string name;
};
Spec parse_spec(std::string_view spec, const Context& context);

// Names of all types, sorted, as `prconf -m` prints them.
std::vector<std::string> types();

}  // namespace postrider::table
