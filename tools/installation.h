// Holds an installation against its manifest: what `postrider check` complains about, what `start` makes
// when it is missing, and what `set-permissions` restores.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/config/common.h"
#include "tools/manifest.h"

namespace postrider::tools {

// One thing that is wrong and the command that mends it ("" when there is no single one).
struct Finding {
  bool fatal = false;  // the mail system must not start like this
  std::string text;
  std::string mend;
  bool operator==(const Finding&) const = default;
};

class Installation {
 public:
  // `paths` outlives it. Looks the accounts up; one that does not exist is a finding, not an
  // error.
  static Result<Installation> open(os::Files& files, const config::Values& values,
                                   const config::Paths& paths);

  // Accounts, directories, programs and configuration files; and what Postfix's check looks at beside them:
  // corrupt messages, files of others in the queue.
  Result<std::vector<Finding>> inspect() const;
  // The directories of the queue and the data that do not exist, with owner and mode. Existing ones are left.
  Result<std::vector<std::string>> make_missing() const;
  // Owner and mode of everything the manifest names. Returns what was changed.
  Result<std::vector<std::string>> set_permissions() const;

 private:
  struct Place {
    const ManifestEntry* entry;
    std::string path;
    std::optional<uid_t> uid;  // unset: no such account, or we are not root and nobody else can own it
    std::optional<gid_t> gid;
    std::string owner;  // as parameters name them, for messages
    std::string group;
  };
  Installation(os::Files& files, const config::Paths& paths) : files_(&files), paths_(&paths) {}
  void look_up_accounts();
  std::string owner_name(const std::string& name) const;
  std::string group_name(const std::string& name) const;
  std::optional<uid_t> uid_of(const std::string& name) const;
  std::optional<gid_t> gid_of(const std::string& name) const;
  void inspect_place(const Place& place, std::vector<Finding>& findings) const;
  void inspect_configuration(const std::string& path, std::vector<Finding>& findings) const;
  void inspect_corrupt(std::vector<Finding>& findings) const;
  Result<bool> restore(const Place& place) const;

  os::Files* files_;
  const config::Paths* paths_;
  bool as_root_ = false;
  Manifest manifest_;
  std::vector<Place> places_;
  std::vector<Finding> account_findings_;
};

}  // namespace postrider::tools
