// All services together: start, reload, stop. The one object of a running master.
//
// Signals: HUP reloads, TERM stops in good order, INT and QUIT stop at once, CHLD reaps. Runs in the queue
// directory, single-threaded; everything here is called from the loop.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lib/event/scope.h"
#include "master/configuration.h"
#include "master/service.h"

namespace postrider::master {

class Supervisor {
 public:
  Supervisor(Surroundings surroundings, Names& names);
  ~Supervisor();

  // Opens every socket and begins to serve. While a port is still held by a process of a master that was
  // killed, tries again for a few seconds; then the error.
  Result<> start(std::unique_ptr<const Configuration> configuration);

  // Reads the configuration again. One that cannot be used is reported and the former stays in force.
  // Sockets that both have stay open; processes finish what they have and are replaced.
  void reload();

  // Ends every process: those that talk to strangers first, so that they can still hand over what they
  // hold, then the others; what does not end within stop_timeout is killed. Then the loop stops.
  void stop(int signal);
  void stop_at_once(int signal);

  void reap();
  bool is_stopping() const { return stopping_; }
  std::size_t processes() const;
  const Configuration& configuration() const { return *configuration_; }

 private:
  void arrange(std::unique_ptr<const Configuration> configuration);
  void begin_stop();
  event::Task<> stop_in_order();
  event::Task<> stop_now();
  event::Task<> kill_remaining();
  event::Task<bool> wait_until_ended(MonoTime deadline, bool network_only);
  event::Task<> open_later();
  void drop_retired();
  void notify_manager(const std::string& state);

  Surroundings around_;
  Names& names_;
  std::shared_ptr<const Configuration> configuration_;
  std::vector<std::unique_ptr<Service>> services_;
  bool stopping_ = false;
  event::Notice ended_;                        // a process ended
  std::unique_ptr<event::TaskScope> opening_;  // open_later() of the last reload
  std::unique_ptr<event::TaskScope> stop_;     // the way to the end that was chosen last
};

}  // namespace postrider::master
