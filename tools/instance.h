// The mail system of one configuration directory, seen from a command: its configuration, whether its
// master runs, and the signals to it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <sys/types.h>

#include "lib/base/clock.h"
#include "lib/config/common.h"
#include "lib/config/values.h"
#include "lib/os/files.h"
#include "master/master_config.h"

namespace postrider::tools {

class Instance {
 public:
  // configuration: the text names file, line and parameter.
  static Result<std::unique_ptr<Instance>> open(os::Files& files, const std::string& config_directory);
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // The pid of the master that holds the lock.
  Result<std::optional<pid_t>> running() const;
  // False: it was gone already.
  static bool signal(pid_t pid, int number);
  // Waits until no master holds the lock; false when it still does after `patience`.
  bool wait_until_stopped(Seconds patience) const;
  std::string program(const std::string& name) const { return paths.daemon_directory() + "/" + name; }

  const std::string& config_directory() const { return values->config_directory(); }

  std::unique_ptr<config::Values> values;
  config::Identity identity;
  config::Paths paths;
  config::Process process;
  config::Logging logging;
  master::MasterConfig master;

 private:
  explicit Instance(os::Files& files) : files_(files) {}
  std::string pid_file() const;
  os::Files& files_;
};

}  // namespace postrider::tools
