// unix:passwd.byname and unix:group.byname: the system's users and groups.
#include <fmt/format.h>

#include "lib/os/credentials.h"
#include "lib/table/types.h"

namespace postrider::table {

namespace {

class Passwd final : public Table {
 public:
  Passwd(const std::string& name, const Context& context)
      : Table("unix:" + name, {.blocks = true}, context) {}

 private:
  Result<std::optional<std::string>> find(std::string_view key) override {
    const Result<std::optional<os::User>> user = os::find_user(std::string(key));
    if (!user) return postrider::fail(user.error().within(name()));
    if (!*user) return std::nullopt;
    const os::User& u = **user;
    return fmt::format("{}:x:{}:{}:{}:{}:{}", u.name, u.uid, u.gid, u.gecos, u.home, u.shell);
  }
};

class Group final : public Table {
 public:
  Group(const std::string& name, const Context& context) : Table("unix:" + name, {.blocks = true}, context) {}

 private:
  Result<std::optional<std::string>> find(std::string_view key) override {
    const Result<std::optional<gid_t>> group = os::find_group(std::string(key));
    if (!group) return postrider::fail(group.error().within(name()));
    if (!*group) return std::nullopt;
    return fmt::format("{}:x:{}:", key, **group);
  }
};

}  // namespace

Opened open_unix(const std::string& name, const Context& context) {
  if (name == "passwd.byname") return std::make_unique<Passwd>(name, context);
  if (name == "group.byname") return std::make_unique<Group>(name, context);
  return postrider::fail(Trouble::configuration, fmt::format("unknown table: unix:{}", name));
}

}  // namespace postrider::table
