// The anvil service: answers what servers report about their clients, and logs the highest counts.
//
// A process may have several connections to us; when its last one is closed, its clients count as
// gone. Lives as long as the daemon.
#pragma once

#include <unordered_map>

#include "anvil/config.h"
#include "anvil/counters.h"
#include "lib/event/loop.h"
#include "lib/ipc/channel.h"
#include "lib/os/fd.h"

namespace postrider {
class Log;
}

namespace postrider::anvil {

class Server {
 public:
  // All references outlive the server. Between two requests a connection ends with `drain`, within one with
  // `stop`.
  Server(event::Loop& loop, Log& log, const AnvilConfig& config, event::StopToken stop,
         event::StopToken drain);
  ~Server();  // logs what was not logged yet

  // Serves one connection until it is closed.
  event::Task<> serve(os::Fd client);
  // Logs the statistics every anvil_status_update_time, until stopped.
  event::Task<> log_statistics();

  const Counters& counters() const { return counters_; }

 private:
  void answer(ipc::Channel& channel, ipc::Frame& frame, Owner owner);
  void write_statistics();

  event::Loop& loop_;
  Log& log_;
  const AnvilConfig& config_;
  const event::StopToken stop_;
  const event::StopToken drain_;
  Counters counters_;
  std::unordered_map<Owner, std::size_t> connections_;  // of each process to us
};

}  // namespace postrider::anvil
