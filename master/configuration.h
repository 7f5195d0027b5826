// One reading of main.cf and master.cf, checked as a whole: what master runs until the next reload.
//
// Nothing is opened here. Either everything in it is usable or there is none, so that a mistake in a file
// never leaves half a mail system running. Made at start and at each reload; immutable.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lib/config/common.h"
#include "lib/config/master_cf.h"
#include "lib/os/files.h"
#include "master/listen_plan.h"
#include "master/master_config.h"

namespace postrider::master {

struct ServicePlan {
  config::Service service;
  std::string id;  // identity_of()
  std::vector<SocketPlan> sockets;
  int process_limit = 0;                      // 0: none
  std::vector<std::string> daemon_arguments;  // without -o, -v and -D
  // What the log calls the place it serves: "25", "private/rewrite".
  std::string place() const;
};

class Configuration {
 public:
  // configuration: the text names file, line and parameter. Names are looked up and block.
  static Result<std::unique_ptr<Configuration>> load(os::Files& files, const std::string& config_directory,
                                                     Names& names);

  Configuration(const Configuration&) = delete;
  Configuration& operator=(const Configuration&) = delete;

  const std::string& directory() const { return directory_; }
  const std::vector<ServicePlan>& services() const { return services_; }
  // Where the program of a master.cf command is.
  std::string program(const std::string& command) const;
  // Of reading the files, without prefix; logged once.
  const std::vector<std::string>& warnings() const { return warnings_; }

  MasterConfig master;
  config::Identity identity;
  config::Paths paths;
  config::Process process;
  config::Logging logging;
  config::Network network;

 private:
  Configuration() = default;
  bool is_disabled(const config::Service& service) const;
  bool translate(os::Files& files, config::Service& service);

  std::string directory_;
  std::vector<ServicePlan> services_;
  std::vector<std::string> warnings_;
};

}  // namespace postrider::master
