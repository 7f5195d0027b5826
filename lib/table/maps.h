// A list of tables as parameters name them: "hash:/etc/aliases, ldap:people". First hit wins.
//
// A table that cannot be opened does not stop the process: lookups that reach it fail temporarily,
// and it is tried again from time to time. As Table: blocking, one thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/table/table.h"

namespace postrider::table {

class Maps {
 public:
  Maps() = default;  // no tables: nothing is ever found

  // `list` holds specifications between commas or white space, with { } keeping one together.
  // `title` is the parameter's name, for the log. Tables in trouble draw a warning.
  static Maps open(std::string title, std::string_view list, const Context& context);

  enum class Keys {
    whole,    // the address or name as it is
    partial,  // a part of it: pattern tables are not asked
  };

  // nullopt for an empty key. An error is temporary: the answer is not known.
  Result<std::optional<std::string>> lookup(std::string_view key, Keys keys = Keys::whole) const;

  bool empty() const { return tables_.empty(); }
  // Some table waits for other processes or hosts: look up where waiting is allowed.
  bool blocks() const;
  const std::string& title() const { return title_; }
  // The first table that is in trouble now, as a sentence for the operator.
  std::optional<std::string> trouble() const;

 private:
  struct Entry;

  std::string title_;
  std::vector<std::shared_ptr<Entry>> tables_;  // shared by copies of the list, which look up alike
};

}  // namespace postrider::table
