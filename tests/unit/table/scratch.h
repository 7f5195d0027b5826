// A directory of a test's own with files in it, and what tables need to be opened there.
#pragma once

#include <cstdlib>
#include <fstream>
#include <string>

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/os/files.h"
#include "lib/table/table.h"
#include "lib/table/writer.h"

namespace postrider::table {

class Scratch {
 public:
  Scratch() {
    std::string pattern = "/tmp/postrider-table-XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    for (const std::string& name : names()) unlink(path(name).c_str());
    rmdir(path_.c_str());
  }

  std::string path(const std::string& name) const { return path_ + "/" + name; }

  // Written beside and renamed, so the file gets a new inode.
  std::string write(const std::string& name, std::string_view text) const {
    std::ofstream(path(name + ".new"), std::ios::binary) << text;
    rename(path(name + ".new").c_str(), path(name).c_str());
    return path(name);
  }

  std::vector<std::string> names() const {
    std::vector<std::string> all;
    DIR* directory = opendir(path_.c_str());
    while (const dirent* entry = readdir(directory))
      if (std::string_view(entry->d_name) != "." && std::string_view(entry->d_name) != "..")
        all.emplace_back(entry->d_name);
    closedir(directory);
    return all;
  }

  MemoryLog log;
  ManualClock clock;
  Context context{os::system_files(), log, clock};

 private:
  std::string path_;
};

// The value, "<none>" or "<error: text>": one word to compare.
inline std::string told(const Result<std::optional<std::string>>& found) {
  if (!found) return "<error: " + found.error().text() + ">";
  return found->value_or("<none>");
}

// What the open table says; "<unopened: text>" when it does not open.
inline std::string ask(const std::string& spec, std::string_view key, const Context& context) {
  const Result<std::unique_ptr<Table>> table = open(spec, context);
  if (!table) return "<unopened: " + table.error().text() + ">";
  return told((*table)->lookup(key));
}

// Builds a database with these entries.
inline Result<> make_database(const Spec& spec,
                              const std::vector<std::pair<std::string, std::string>>& entries,
                              const Context& context, const WriterOptions& options = {}) {
  Result<std::unique_ptr<Writer>> writer = build(spec, options, context);
  if (!writer) return fail(writer.error());
  for (const auto& [key, value] : entries) {
    const Result<bool> put = (*writer)->put(key, value);
    if (!put) return fail(put.error());
  }
  return (*writer)->commit();
}

}  // namespace postrider::table
