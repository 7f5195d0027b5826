// The open sockets of one service, in the order its processes receive them. Opened by master with its
// privileges, and kept over reloads, so that clients in their queues are not lost.
#pragma once

#include <vector>

#include "lib/base/log.h"
#include "lib/os/fd.h"
#include "lib/os/files.h"
#include "master/listen_plan.h"

namespace postrider::master {

// The empty root directory of daemons that talk to strangers, below the queue directory (which is the
// working directory), with the directories for the sockets they may use.
Result<> make_network_root(os::Files& files);

class Listeners {
 public:
  Listeners(os::Files& files, Log& log) : files_(files), log_(log) {}

  struct Listener {
    SocketPlan plan;
    os::Fd fd;
  };

  // Gives away what the plan no longer has, since another service may want it: a reload that renames a
  // service keeps its socket and the clients who wait there.
  std::vector<Listener> release_unplanned(const std::vector<SocketPlan>& plan);
  // Takes from `offered` what the plan wants.
  void adopt(std::vector<Listener>& offered, const std::vector<SocketPlan>& plan);
  // Closes what nobody wanted and removes its files. To be called before open_missing() is for any service,
  // since the addresses may overlap.
  static void close(os::Files& files, std::vector<Listener> unwanted);

  // Opens what is missing. An error (EADDRINUSE while an old process still holds the port) leaves the others
  // open; call again later. Addresses that this machine lacks are left out when they are not needed.
  Result<> open_missing(const std::vector<SocketPlan>& plan);

  // In the order of the plan.
  std::vector<int> descriptors() const;
  bool empty() const { return open_.empty(); }
  // Whether a client or a byte waits in any of them now.
  bool has_demand() const;

  // Wakes the service by a byte, unless something waits there already.
  void trigger(char byte);

 private:
  Result<os::Fd> open(const SocketPlan& plan);
  Result<> offer_to_network_daemons(const std::string& path);

  os::Files& files_;
  Log& log_;
  std::vector<Listener> open_;
};

}  // namespace postrider::master
