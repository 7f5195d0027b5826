#include "lib/config/install_paths.h"

#ifndef POSTRIDER_CONFIG_DIRECTORY
#define POSTRIDER_CONFIG_DIRECTORY "/etc/postrider"
#endif
#ifndef POSTRIDER_QUEUE_DIRECTORY
#define POSTRIDER_QUEUE_DIRECTORY "/var/spool/postrider"
#endif
#ifndef POSTRIDER_DATA_DIRECTORY
#define POSTRIDER_DATA_DIRECTORY "/var/lib/postrider"
#endif
#ifndef POSTRIDER_DAEMON_DIRECTORY
#define POSTRIDER_DAEMON_DIRECTORY "/usr/libexec/postrider"
#endif
#ifndef POSTRIDER_COMMAND_DIRECTORY
#define POSTRIDER_COMMAND_DIRECTORY "/usr/sbin"
#endif

namespace postrider::config {

const InstallPaths& install_paths() {
  static constexpr InstallPaths paths{POSTRIDER_CONFIG_DIRECTORY, POSTRIDER_QUEUE_DIRECTORY,
                                      POSTRIDER_DATA_DIRECTORY, POSTRIDER_DAEMON_DIRECTORY,
                                      POSTRIDER_COMMAND_DIRECTORY};
  return paths;
}

const char* release_version() { return "0.1.0"; }
const char* release_day() { return "20250101"; }

}  // namespace postrider::config
