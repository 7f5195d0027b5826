// A table made from a text file: read whole, and read again when the file changed.
//
// The file may be replaced by rename or edited in place; one that changed within the last seconds
// is read once more when that time is over, since its time stamp cannot tell two writes apart.
#pragma once

#include <cstdint>

#include "lib/table/table.h"

namespace postrider::table {

// Which file a path led to, and which of its contents.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  WallTime modified;
  bool operator==(const FileIdentity&) const = default;
};
Result<FileIdentity> identify(os::Files& files, const std::string& path);

class TextTable : public Table {
 public:
  // Reads the file. Call once, before the first lookup.
  Result<> start();

 protected:
  TextTable(std::string type, std::string path, Traits traits, const Context& context);

  // Replaces what was loaded before. Flaws in single lines are warnings; an error keeps the table
  // unavailable until the file changes.
  virtual Result<> load(std::string_view content) = 0;
  // As Table::find, on what was loaded.
  virtual Result<std::optional<std::string>> find_loaded(std::string_view key) = 0;

  Result<std::optional<std::string>> find(std::string_view key) final;
  // Loads again if the file changed. An error when it is gone or unreadable.
  Result<> refresh();

  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  FileIdentity loaded_;
  bool hot_ = false;  // may have changed since without a new time stamp
  WallTime loaded_at_;
  Result<> state_;
};

}  // namespace postrider::table
