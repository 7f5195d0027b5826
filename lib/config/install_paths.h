// Where an installation puts its files unless main.cf says otherwise, and what it calls itself.
#pragma once

namespace postrider::config {

struct InstallPaths {
  const char* config_directory;   // "/etc/postrider"
  const char* queue_directory;    // "/var/spool/postrider"
  const char* data_directory;     // "/var/lib/postrider"
  const char* daemon_directory;   // "/usr/libexec/postrider"
  const char* command_directory;  // "/usr/sbin"
};

// As the build was configured (mk/install.mk).
const InstallPaths& install_paths();

const char* release_version();  // "0.1.0"
const char* release_day();      // "20250101"

}  // namespace postrider::config
