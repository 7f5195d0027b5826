#include "master/supervisor.h"

#include <signal.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include <algorithm>
#include <iterator>

#include <fmt/core.h>

namespace postrider::master {
namespace {

// How long a port may stay taken by what a killed master left behind.
constexpr Seconds port_patience{10};
constexpr Milliseconds port_retry{100};
// Between the polite signal and the last one.
constexpr Seconds term_patience{2};

}  // namespace

Supervisor::Supervisor(Surroundings surroundings, Names& names)
    : around_(surroundings), names_(names), ended_(surroundings.loop) {
  around_.loop.on_signal(SIGHUP, [this] { reload(); });
  around_.loop.on_signal(SIGTERM, [this] { stop(SIGTERM); });
  around_.loop.on_signal(SIGINT, [this] { stop_at_once(SIGINT); });
  around_.loop.on_signal(SIGQUIT, [this] { stop_at_once(SIGQUIT); });
  around_.loop.on_signal(SIGCHLD, [this] { reap(); });
}

Supervisor::~Supervisor() = default;

// A socket that another service wants now moves to it. The others are closed before any is opened, since
// addresses may overlap.
void Supervisor::arrange(std::unique_ptr<const Configuration> configuration) {
  opening_.reset();
  configuration_ = std::move(configuration);
  for (const std::string& warning : configuration_->warnings()) around_.log.warning("{}", warning);
  std::vector<Listeners::Listener> released;
  for (const auto& service : services_) {
    service->halt();
    const auto planned = std::ranges::find(configuration_->services(), service->id(), &ServicePlan::id);
    if (planned == configuration_->services().end()) {
      service->retire();
    } else {
      service->adopt(*planned, configuration_);
    }
    std::ranges::move(service->release_unplanned(), std::back_inserter(released));
  }
  for (const ServicePlan& plan : configuration_->services()) {
    const bool known =
        std::ranges::any_of(services_, [&](const auto& service) { return service->id() == plan.id; });
    if (!known) services_.push_back(std::make_unique<Service>(around_, plan, configuration_));
  }
  for (const auto& service : services_) service->adopt(released);
  Listeners::close(around_.files, std::move(released));
}

Result<> Supervisor::start(std::unique_ptr<const Configuration> configuration) {
  if (auto made = make_network_root(around_.files); !made) return made;
  arrange(std::move(configuration));
  const MonoTime patience_ends = around_.loop.after(port_patience);
  for (const auto& service : services_) {
    while (true) {
      const auto opened = service->open_missing();
      if (opened) break;
      const bool taken = opened.error().os_error() == EADDRINUSE;
      if (!taken || around_.loop.now() >= patience_ends) return opened;
      around_.loop.run_until_done(around_.loop.sleep(port_retry));
    }
  }
  for (const auto& service : services_) service->run();
  around_.log.info("daemon started -- version {}, configuration {}", configuration_->identity.mail_version(),
                   configuration_->directory());
  notify_manager("READY=1");
  return {};
}

void Supervisor::reload() {
  if (stopping_) return;
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  notify_manager(
      fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1'000'000LL + now.tv_nsec / 1000));
  auto configuration = Configuration::load(around_.files, configuration_->directory(), names_);
  if (!configuration) {
    around_.log.error("{}", configuration.error().text());
    around_.log.error("reload refused: the former configuration stays in force");
    notify_manager("READY=1");
    return;
  }
  if (around_.reopen_log) around_.reopen_log(**configuration);
  arrange(std::move(*configuration));
  around_.log.info("reload -- version {}, configuration {}", configuration_->identity.mail_version(),
                   configuration_->directory());
  opening_ = std::make_unique<event::TaskScope>(around_.loop);
  opening_->spawn(open_later());
  for (const auto& service : services_) {
    service->drain();
    service->run();
  }
  drop_retired();
  notify_manager("READY=1");
}

// Opens what is new after a reload. A port whose old holder (a process that still finishes) has not let
// go yet is tried again until it has.
event::Task<> Supervisor::open_later() {
  bool complained = false;
  while (true) {
    bool complete = true;
    for (const auto& service : services_) {
      const std::size_t before = service->listening();
      const auto opened = service->open_missing();
      if (service->listening() != before) {
        service->halt();
        service->run();
      }
      if (opened) continue;
      complete = false;
      if (!complained) around_.log.warning("{}: {}", service->id(), opened.error().text());
    }
    if (complete) co_return;
    complained = true;
    co_await around_.loop.sleep(Seconds(1));
  }
}

void Supervisor::drop_retired() {
  std::erase_if(services_,
                [](const auto& service) { return service->is_retired() && service->processes() == 0; });
}

void Supervisor::reap() {
  while (const auto end = os::reap()) {
    for (const auto& service : services_) {
      if (service->child_ended(*end)) break;
    }
  }
  drop_retired();
  ended_.notify();
}

std::size_t Supervisor::processes() const {
  std::size_t sum = 0;
  for (const auto& service : services_) sum += service->processes();
  return sum;
}

void Supervisor::stop(int signal) {
  if (stopping_) return;
  stopping_ = true;
  around_.log.info("terminating on signal {}", signal);
  begin_stop();
  stop_->spawn(stop_in_order());
}

void Supervisor::stop_at_once(int signal) {
  if (!stopping_) around_.log.info("terminating on signal {}", signal);
  stopping_ = true;
  begin_stop();
  stop_->spawn(stop_now());
}

void Supervisor::begin_stop() {
  notify_manager("STOPPING=1");
  opening_.reset();
  for (const auto& service : services_) service->halt();
  stop_ = std::make_unique<event::TaskScope>(around_.loop);
}

event::Task<> Supervisor::stop_in_order() {
  const Seconds patience = configuration_->master.stop_timeout();
  const MonoTime deadline = around_.loop.after(patience);
  for (const auto& service : services_) {
    if (service->is_network()) service->drain();
  }
  co_await wait_until_ended(around_.loop.after(patience / 2), true);
  for (const auto& service : services_) service->drain();
  const bool all = co_await wait_until_ended(deadline, false);
  if (!all) co_await kill_remaining();
  around_.loop.stop();
}

event::Task<> Supervisor::stop_now() {
  co_await kill_remaining();
  around_.loop.stop();
}

event::Task<> Supervisor::kill_remaining() {
  for (const auto& service : services_) service->signal_all(SIGTERM);
  const bool all = co_await wait_until_ended(around_.loop.after(term_patience), false);
  if (all) co_return;
  around_.log.warning("killing {} processes that have not ended", processes());
  for (const auto& service : services_) service->signal_all(SIGKILL);
  co_await wait_until_ended(around_.loop.after(term_patience), false);
}

// True when every process (of the services that talk to strangers) has ended.
event::Task<bool> Supervisor::wait_until_ended(MonoTime deadline, bool network_only) {
  while (true) {
    const bool left = std::ranges::any_of(services_, [&](const auto& service) {
      return service->processes() > 0 && (!network_only || service->is_network());
    });
    if (!left) co_return true;
    if (around_.loop.now() >= deadline) co_return false;
    co_await ended_.wait(deadline);
  }
}

void Supervisor::notify_manager(const std::string& state) { ::sd_notify(0, state.c_str()); }

}  // namespace postrider::master
