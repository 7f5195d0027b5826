#include "master/service.h"

#include <signal.h>

#include <algorithm>

#include <fmt/core.h>

#include "lib/daemon/command_line.h"
#include "lib/event/watch.h"
#include "lib/os/environment.h"
#include "lib/protocol/master.h"

namespace postrider::master {

// A process and the link to it. The scope is destroyed first, and with it the tasks that use the link.
struct Service::Child {
  Child(event::Loop& loop, os::Fd socket) : link(loop, std::move(socket)), tasks(loop) {}
  ipc::Channel link;
  event::TaskScope tasks;
};

// Notifies when a client waits at any of the sockets. Made anew for each wait: a watch reports what
// is ready when it begins, and later only what is new.
class Service::Demand {
 public:
  Demand(event::Loop& loop, const Listeners& listeners, event::Notice& notice) : tasks_(loop) {
    for (const int fd : listeners.descriptors()) {
      watches_.push_back(std::make_unique<event::Watch>(loop, fd));
    }
    for (const auto& watch : watches_) tasks_.spawn(await(*watch, notice));
  }

 private:
  static event::Task<> await(event::Watch& watch, event::Notice& notice) {
    const event::Woken woken = co_await watch.readable(no_deadline);
    if (woken == event::Woken::ready) notice.notify();
  }

  std::vector<std::unique_ptr<event::Watch>> watches_;
  event::TaskScope tasks_;
};

Service::Service(Surroundings& surroundings, ServicePlan plan,
                 std::shared_ptr<const Configuration> configuration)
    : around_(surroundings),
      plan_(std::move(plan)),
      configuration_(std::move(configuration)),
      listeners_(surroundings.files, surroundings.log),
      policy_(surroundings.loop.clock(), plan_.process_limit, configuration_->master.service_throttle_time()),
      changed_(surroundings.loop),
      used_(surroundings.loop),
      missed_(surroundings.loop) {}

Service::~Service() { halt(); }

void Service::halt() { tasks_.reset(); }

void Service::adopt(ServicePlan plan, std::shared_ptr<const Configuration> configuration) {
  plan_ = std::move(plan);
  configuration_ = std::move(configuration);
  policy_.change_limits(plan_.process_limit, configuration_->master.service_throttle_time());
  retired_ = false;
}

void Service::retire() {
  retired_ = true;
  plan_.sockets.clear();
}

void Service::run() {
  tasks_.emplace(around_.loop);
  if (retired_) return;
  tasks_->spawn(supervise());
  if (plan_.service.wakeup > Seconds(0)) tasks_->spawn(wake_up());
}

event::Task<> Service::supervise() {
  while (true) {
    const SpawnPolicy::Verdict verdict = policy_.decide();
    const bool looks_for_clients =
        verdict == SpawnPolicy::Verdict::spawn || verdict == SpawnPolicy::Verdict::at_limit;
    MonoTime deadline = no_deadline;
    if (verdict == SpawnPolicy::Verdict::paused) deadline = policy_.paused_until();
    {
      std::optional<Demand> demand;
      if (looks_for_clients) {
        try {
          demand.emplace(around_.loop, listeners_, changed_);
        } catch (const event::NoRoomToWatch& lack) {
          pause_after(lack.what());
          continue;
        }
      }
      co_await changed_.wait(deadline);
    }
    if (!looks_for_clients || !listeners_.has_demand()) continue;
    switch (policy_.decide()) {
      case SpawnPolicy::Verdict::spawn: spawn(); break;
      case SpawnPolicy::Verdict::at_limit:
        warn_of_limit();
        co_await changed_.wait();  // until a process is free or ends
        break;
      case SpawnPolicy::Verdict::served:
      case SpawnPolicy::Verdict::paused: break;
    }
  }
}

event::Task<> Service::wake_up() {
  if (plan_.service.wakeup_after_use && children_.empty()) co_await used_.wait();
  while (true) {
    if (policy_.paused()) co_await around_.loop.sleep_until(policy_.paused_until());
    listeners_.trigger('W');
    // What is woken up regularly has work that nobody asks for: it is back at once after a crash, and after a
    // reload when the former process has ended, since that may have taken a wake-up it did nothing about.
    co_await missed_.wait(around_.loop.after(plan_.service.wakeup));
  }
}

std::string Service::program() const { return configuration_->program(plan_.service.command); }

std::vector<std::string> Service::arguments() const {
  daemon::CommandLine line;
  line.service = plan_.service.name;
  line.type = config::service_type_name(plan_.service.type);
  line.listeners = static_cast<int>(listeners_.descriptors().size());
  line.config_directory = configuration_->directory();
  line.verbose = around_.verbose + plan_.service.verbosity;
  // Before the administrator's own, so that theirs win.
  if (plan_.service.type == config::ServiceType::inet || plan_.service.type == config::ServiceType::pass) {
    line.options.push_back(policy_.under_stress() ? "stress=yes" : "stress=");
  }
  for (const config::Override& option : plan_.service.overrides) {
    line.options.push_back(option.name + "=" + option.value);
  }
  line.arguments = plan_.daemon_arguments;
  return daemon::format_command_line(plan_.service.command, line);
}

std::vector<std::string> Service::environment() const {
  std::vector<std::string> names = configuration_->process.import_environment();
  names.push_back("MAIL_CONFIG=" + configuration_->directory());
  return os::chosen_environment(names);
}

void Service::spawn() {
  auto link = os::socket_pair();
  if (!link) {
    pause_after(link.error().text());
    return;
  }
  os::Spawn what;
  what.program = program();
  what.arguments = arguments();
  what.environment = environment();
  what.die_with_parent = false;  // the link tells it, and it finishes what must not be cut off
  if (around_.keep_output) what.descriptors = {{1, 1}, {2, 2}};
  what.descriptors.emplace_back(link->second.get(), protocol::link_descriptor);
  int number = protocol::link_descriptor;
  for (const int fd : listeners_.descriptors()) what.descriptors.emplace_back(fd, ++number);

  // Before the process, which must not be without it.
  std::unique_ptr<Child> child;
  try {
    child = std::make_unique<Child>(around_.loop, std::move(link->first));
  } catch (const event::NoRoomToWatch& lack) {
    pause_after(lack.what());
    return;
  }
  const auto pid = os::spawn(what);
  if (!pid) {
    pause_after(pid.error().text());
    return;
  }
  around_.log.debug("started {} for {} as pid {}", what.program, plan_.id, *pid);
  policy_.spawned(*pid);
  Child& kept = *child;
  children_[*pid] = std::move(child);
  kept.tasks.spawn(follow(*pid, kept));
  used_.notify();
}

void Service::pause_after(std::string_view trouble) {
  const Seconds pause = policy_.spawn_failed();
  around_.log.warning("cannot start {}: {} -- throttling for {} seconds", program(), trouble, pause.count());
}

event::Task<> Service::follow(pid_t pid, Child& child) {
  try {
    while (true) {
      const protocol::ChildStatus status = co_await child.link.expect<protocol::ChildStatus>(no_deadline);
      policy_.set_available(pid, status.available);
      changed_.notify();
    }
  } catch (const io::Ended&) {
  }
  // Normally the process ended and is about to be reaped, which destroys this task.
  co_await around_.loop.sleep(Seconds(5));
  around_.log.warning("process {} pid {} closed its link to master but has not ended", program(), pid);
  policy_.set_lost(pid);
  changed_.notify();
}

void Service::drain() {
  policy_.set_all_finishing();
  for (const auto& [pid, child] : children_) child->tasks.spawn(send_drain(*child));
  changed_.notify();
}

event::Task<> Service::send_drain(Child& child) {
  try {
    co_await child.link.send(protocol::Drain{}, around_.loop.after(Seconds(10)));
  } catch (const io::Ended&) {
    // It is ending already.
  }
}

void Service::signal_all(int number) {
  for (const auto& [pid, child] : children_) ::kill(pid, number);
}

bool Service::child_ended(const os::ChildEnd& end) {
  const SpawnPolicy::Ending ending = policy_.ended(end);
  if (!ending.known) return false;
  children_.erase(end.pid);
  const std::string name = program();
  if (end.signal != 0) {
    around_.log.warning("process {} pid {} killed by signal {}", name, end.pid, end.signal);
  } else if (end.exit_status != 0) {
    around_.log.warning("process {} pid {} exit status {}", name, end.pid, end.exit_status);
  }
  if (ending.pause) {
    around_.log.warning("{}: bad command startup -- throttling for {} seconds", name, ending.pause->count());
  }
  if (ending.abnormal || ending.finishing) missed_.notify();
  changed_.notify();
  return true;
}

void Service::warn_of_limit() {
  // A process that finishes after a reload is about to make room; and a service meant to have one
  // process (pickup, qmgr) is not short of them when that one is busy.
  if (policy_.has_finishing() || (policy_.process_limit() == 1 && !is_network())) return;
  if (!policy_.limit_warning_due()) return;
  around_.log.warning(
      "service \"{}\" ({}) has reached its process limit \"{}\": new clients may experience noticeable "
      "delays",
      plan_.service.name, plan_.place(), policy_.process_limit());
  around_.log.warning(
      "to avoid this condition, increase the process count in master.cf or reduce the service time per "
      "client");
}

}  // namespace postrider::master
