// conf/install.manifest as the commands read it: which files and directories an installation has, with
// owners and modes. `postrider` makes missing directories by it, checks it, and restores it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "lib/base/error.h"
#include "lib/config/values.h"
#include "lib/os/files.h"

namespace postrider::tools {

struct ManifestEntry {
  std::string kind;   // dir, place, conf, data, program, link, man
  std::string path;   // as written, with $name
  std::string owner;  // a name of the manifest: root, postrider, …; "-" for links
  std::string group;
  mode_t mode = 0;
  std::string source;
};

class Manifest {
 public:
  // configuration: the text names `origin` and the line.
  static Result<Manifest> parse(std::string_view text, const std::string& origin);
  // The installed copy in `daemon_directory`, or the one this program was built with.
  static Result<Manifest> load(os::Files& files, const std::string& daemon_directory);

  const std::vector<ManifestEntry>& entries() const { return entries_; }

 private:
  std::vector<ManifestEntry> entries_;
};

// The path with its parameters' values; nullopt when it mentions what is no parameter (a directory that
// only the installation knows).
std::optional<std::string> place_of(const ManifestEntry& entry, const config::Values& values);

}  // namespace postrider::tools
