// What the readers of database files share: when to open again, and how keys were stored.
#pragma once

#include <string>

#include "lib/table/text_file.h"

namespace postrider::table {

// A table in a database file that others replace. Reopens when the name leads to another file or
// the file was written to.
class DatabaseTable : public Table {
 public:
  // `name` is the table's, `file` the database.
  DatabaseTable(std::string type, std::string name, std::string file, const Context& context);

  Result<> start();  // opens; once, before the first lookup

 protected:
  // Opens file(), after close_database(). Errors without the file's name.
  virtual Result<> open_database() = 0;
  virtual void close_database() = 0;
  // The stored bytes under exactly these key bytes.
  virtual Result<std::optional<std::string>> get(std::string_view key) = 0;

  Result<std::optional<std::string>> find(std::string_view key) final;
  // Opens again if the file changed.
  Result<> refresh();
  const std::string& file() const { return file_; }

 private:
  const std::string source_;
  const std::string file_;
  FileIdentity opened_;
  bool open_ = false;
  bool nul_terminated_ = false;  // an entry was found under its key with the trailing NUL
};

// A stored key or value without its terminator.
std::string_view without_nul(std::string_view stored);

// "No such file or directory" for errors of the kernel, the error's text for others.
std::string reason(const Error& error);

}  // namespace postrider::table
