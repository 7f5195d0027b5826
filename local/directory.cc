#include "local/directory.h"

#include <fmt/core.h>

#include "lib/os/files.h"
#include "lib/table/writer.h"

namespace postrider::local {

table::Context table_context(os::Files& files, Log& log, const Clock& clock, const config::Tables& tables,
                             const config::Limits& limits) {
  table::Context context{files, log, clock};
  context.default_type = tables.default_database_type();
  context.berkeley_read_buffer = static_cast<std::size_t>(tables.berkeley_db_read_buffer_size());
  context.lmdb_map_size = static_cast<std::size_t>(tables.lmdb_map_size());
  context.fold_utf8 = limits.smtputf8_enable();
  return context;
}

table::Maps open_maps(const config::List& parameter, const table::Context& context) {
  std::string list;
  for (const auto& item : parameter()) list += item + " ";
  return table::Maps::open(parameter.name(), list, context);
}

event::Task<Result<std::optional<os::User>>> Directory::user(std::string name) {
  Result<std::optional<os::User>> found;
  co_await ask([&] { found = os::find_user(name); });
  co_return std::move(found);
}

Aliases::Aliases(const config::List& parameter, const table::Context& context,
                 const table::AddressRules& rules, bool owner_special)
    : files_(context.files), rules_(rules), owner_special_(owner_special) {
  for (const auto& item : parameter()) {
    const auto spec = table::parse_spec(item, context);
    std::string file = table::database_file(spec);
    if (file.empty() && spec.name.starts_with('/')) file = spec.name;
    tables_.push_back({table::Maps::open(parameter.name(), item, context), std::move(file)});
  }
}

Result<std::optional<AliasEntry>> Aliases::find(const std::string& local_part) const {
  for (const auto& table : tables_) {
    auto hit = table::find_alias(table.maps, local_part, rules_);
    if (!hit) return fail(hit.error());
    if (!*hit) continue;
    AliasEntry entry;
    entry.name = (*hit)->key;
    entry.value = std::move((*hit)->value);
    entry.extension = std::move((*hit)->extension);
    if (!table.file.empty()) {
      const auto status = files_.stat(table.file);
      if (!status) return fail(status.error());
      // Anybody could have written the commands in it.
      if ((status->mode & 0002) != 0)
        return fail(Trouble::configuration, table.file + ": file is world writable");
      if (status->uid != 0) entry.rights = Identity{status->uid, status->gid, {}};
    }
    if (owner_special_ && !entry.name.starts_with("owner-")) {
      for (const auto& other : tables_) {
        auto owner = other.maps.lookup("owner-" + entry.name);
        if (!owner) return fail(owner.error());
        if (*owner && !entry.owner) entry.owner = std::move(**owner);
      }
    }
    return entry;
  }
  return std::nullopt;
}

Result<Identity> find_identity(const std::string& user_and_group) {
  const auto colon = user_and_group.find(':');
  const auto user = os::find_user(user_and_group.substr(0, colon));
  if (!user) return fail(user.error());
  if (!*user) {
    return fail(Trouble::configuration,
                fmt::format("unknown user name \"{}\"", user_and_group.substr(0, colon)));
  }
  Identity identity{(*user)->uid, (*user)->gid, {}};
  if (colon != std::string::npos) {
    const auto group = os::find_group(user_and_group.substr(colon + 1));
    if (!group) return fail(group.error());
    if (!*group) {
      return fail(Trouble::configuration,
                  fmt::format("unknown group name \"{}\"", user_and_group.substr(colon + 1)));
    }
    identity.gid = **group;
  }
  return identity;
}

}  // namespace postrider::local
