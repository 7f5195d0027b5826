// One service of master.cf while master runs: its open sockets, its processes, and the tasks that start
// processes on demand, hear them, and wake them up.
//
// Lives from the configuration that brought it until its last process ended. Master reaps children and hands
// each end to the service that knows the pid.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "lib/event/loop.h"
#include "lib/event/scope.h"
#include "lib/event/sync.h"
#include "lib/ipc/channel.h"
#include "master/configuration.h"
#include "master/listeners.h"
#include "master/spawn_policy.h"

namespace postrider::master {

// What all services share; outlives them.
struct Surroundings {
  event::Loop& loop;
  Log& log;
  os::Files& files;
  // After a reload: the log may have been renamed by a rotation, or its parameters changed. May be empty.
  std::function<void(const Configuration&)> reopen_log = {};
  bool keep_output = false;  // children share our standard output and error
  int verbose = 0;
};

class Service {
 public:
  // `configuration` is shared with the other services of the same reading.
  Service(Surroundings& surroundings, ServicePlan plan, std::shared_ptr<const Configuration> configuration);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  const std::string& id() const { return plan_.id; }
  const ServicePlan& plan() const { return plan_; }
  std::size_t processes() const { return policy_.processes(); }
  std::size_t listening() const { return listeners_.descriptors().size(); }
  // Its clients are strangers.
  bool is_network() const { return plan_.service.type == config::ServiceType::inet; }

  // Start and reload, in this order for all services: halt, adopt (or retire), the listeners' release and
  // adoption, open_missing, run.
  void halt();  // no new processes, no wake-ups; existing ones go on
  void adopt(ServicePlan plan, std::shared_ptr<const Configuration> configuration);
  void retire();  // gone from master.cf: ends with its last process
  bool is_retired() const { return retired_; }
  std::vector<Listeners::Listener> release_unplanned() { return listeners_.release_unplanned(plan_.sockets); }
  void adopt(std::vector<Listeners::Listener>& offered) { listeners_.adopt(offered, plan_.sockets); }
  Result<> open_missing() { return listeners_.open_missing(plan_.sockets); }
  void run();

  // Tells every process to accept nothing more, finish what it has, and end.
  void drain();
  void signal_all(int number);

  // False: not a process of this service.
  bool child_ended(const os::ChildEnd& end);

 private:
  struct Child;
  class Demand;

  event::Task<> supervise();
  event::Task<> wake_up();
  event::Task<> follow(pid_t pid, Child& child);
  event::Task<> send_drain(Child& child);
  void spawn();
  void pause_after(std::string_view trouble);  // no process could be started
  void warn_of_limit();
  std::vector<std::string> arguments() const;
  std::vector<std::string> environment() const;
  std::string program() const;

  Surroundings& around_;
  ServicePlan plan_;
  std::shared_ptr<const Configuration> configuration_;
  Listeners listeners_;
  SpawnPolicy policy_;
  bool retired_ = false;
  std::map<pid_t, std::unique_ptr<Child>> children_;
  event::Notice changed_;                  // for supervise()
  event::Notice used_;                     // for wake_up(): the first process was started
  event::Notice missed_;                   // for wake_up(): a process ended badly, or because it was told to
  std::optional<event::TaskScope> tasks_;  // between run() and halt()
};

}  // namespace postrider::master
