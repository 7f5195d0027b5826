// Who users are and what the tables say about them, asked on a thread of their own: system databases
// and tables may block, and the agent's loop serves many deliveries.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/config/common.h"
#include "lib/event/workers.h"
#include "lib/os/credentials.h"
#include "lib/table/address_lookup.h"
#include "lib/table/maps.h"
#include "local/identity.h"

namespace postrider::local {

// What table::open() needs, from an agent's settings.
table::Context table_context(os::Files& files, Log& log, const Clock& clock, const config::Tables& tables,
                             const config::Limits& limits);
table::Maps open_maps(const config::List& parameter, const table::Context& context);

struct AliasEntry {
  std::string name;                  // the key that was found
  std::string value;                 // aliases(5)
  std::string extension;             // that the key did not contain
  std::optional<std::string> owner;  // the value of owner-<name>, where there is one
  std::optional<Identity> rights;    // of the table's file; unset: root's
};

class Directory {
 public:
  // One thread; must be destroyed before the tasks that ask it.
  Directory(event::Loop& loop, const table::Context& context) : context_(context), thread_(loop, 1) {}

  // Runs on the thread. The function must not throw; what it refers to outlives the await.
  event::Task<> ask(std::function<void()> question) { return thread_.run(std::move(question)); }

  event::Task<Result<std::optional<os::User>>> user(std::string name);

  const table::Context& context() const { return context_; }

 private:
  const table::Context context_;
  event::Workers thread_;
};

// alias_maps, one by one, since each has an owner.
class Aliases {
 public:
  Aliases(const config::List& parameter, const table::Context& context, const table::AddressRules& rules,
          bool owner_special);
  // To be called on the directory's thread. Keys are lower case.
  Result<std::optional<AliasEntry>> find(const std::string& local_part) const;

 private:
  struct Entry {
    table::Maps maps;
    std::string file;  // whose owner is the table's; empty: no file
  };
  os::Files& files_;
  const table::AddressRules& rules_;
  bool owner_special_;
  std::vector<Entry> tables_;
};

// "user" or "user:group", as default_privs and pipe's user= have it.
Result<Identity> find_identity(const std::string& user_and_group);

}  // namespace postrider::local
