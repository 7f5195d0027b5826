#include "qmgr/scheduler.h"

#include <algorithm>

#include "qmgr/message.h"

namespace postrider::qmgr {

using Health = protocol::DeliveryReport::Destination;

// The recipients of one message that wait for one destination.
struct Scheduler::Job {
  Message* message;
  std::vector<std::uint32_t> recipients;
  std::size_t next = 0;
};

struct Scheduler::Destination {
  Transport* transport;
  std::string nexthop;
  std::deque<Job> jobs;
  double window = 1;
  double failures = 0;  // in windows full
  unsigned busy = 0;
  MonoTime not_before{};  // rate delay
  MonoTime dead_until{};
  std::string dead_dsn, dead_reason;
  bool in_ring = false;

  bool may_begin(MonoTime now) const {
    return !jobs.empty() && static_cast<double>(busy) < window && not_before <= now;
  }
};

struct Scheduler::Transport {
  std::string name;
  TransportSettings settings;
  unsigned busy = 0;
  MonoTime suspended_until{};
  std::string suspended_dsn, suspended_reason;
  StringMap<std::unique_ptr<Destination>> destinations;
  std::deque<Destination*> ring;  // those with jobs
};

Scheduler::Scheduler(std::function<TransportSettings(const std::string&)> settings)
    : settings_(std::move(settings)) {}
Scheduler::~Scheduler() = default;

Scheduler::Transport& Scheduler::transport(const std::string& name) {
  const auto found = transports_.find(name);
  if (found != transports_.end()) return *found->second;
  auto created = std::make_unique<Transport>();
  created->name = name;
  created->settings = settings_(name);
  turn_.push_back(created.get());
  return *transports_.emplace(name, std::move(created)).first->second;
}

Scheduler::Destination& Scheduler::destination(Transport& transport, const std::string& nexthop) {
  const auto found = transport.destinations.find(nexthop);
  if (found != transport.destinations.end()) return *found->second;
  auto created = std::make_unique<Destination>();
  created->transport = &transport;
  created->nexthop = nexthop;
  created->window = transport.settings.initial_concurrency;
  return *transport.destinations.emplace(nexthop, std::move(created)).first->second;
}

std::optional<Scheduler::Refused> Scheduler::add(Message& message, const std::string& transport_name,
                                                 const std::string& nexthop,
                                                 std::vector<std::uint32_t> recipients, MonoTime now) {
  Transport& via = transport(transport_name);
  if (via.suspended_until > now)
    return Refused{&message, std::move(recipients), via.suspended_dsn, via.suspended_reason};
  Destination& to = destination(via, nexthop);
  if (to.dead_until > now) return Refused{&message, std::move(recipients), to.dead_dsn, to.dead_reason};
  to.jobs.push_back(Job{&message, std::move(recipients)});
  if (!to.in_ring) {
    to.in_ring = true;
    via.ring.push_back(&to);
  }
  return std::nullopt;
}

std::optional<Scheduler::Assignment> Scheduler::next(MonoTime now) {
  for (std::size_t t = 0; t < turn_.size(); ++t) {
    Transport& via = *turn_[next_turn_++ % turn_.size()];
    if (via.busy >= via.settings.process_limit || via.suspended_until > now) continue;
    for (std::size_t n = via.ring.size(); n > 0; --n) {
      Destination& to = *via.ring.front();
      via.ring.pop_front();
      if (!to.may_begin(now)) {
        if (to.jobs.empty())
          to.in_ring = false;
        else
          via.ring.push_back(&to);
        continue;
      }
      Job& job = to.jobs.front();
      Assignment assignment{job.message, via.name, to.nexthop, {}, &to};
      // With VERP each recipient has a sender of its own.
      const std::size_t most =
          job.message->envelope.verp_delimiters.empty() ? via.settings.recipient_limit : 1;
      const std::size_t count = std::min<std::size_t>(most, job.recipients.size() - job.next);
      const auto from = job.recipients.begin() + static_cast<std::ptrdiff_t>(job.next);
      assignment.recipients.assign(from, from + static_cast<std::ptrdiff_t>(count));
      job.next += count;
      // The other messages for this destination have their turn before this one goes on.
      if (job.next < job.recipients.size()) to.jobs.push_back(std::move(job));
      to.jobs.pop_front();
      ++to.busy;
      ++via.busy;
      to.in_ring = !to.jobs.empty();
      if (to.in_ring) via.ring.push_back(&to);
      return assignment;
    }
  }
  return std::nullopt;
}

std::vector<Scheduler::Refused> Scheduler::refuse_all(Destination& to) {
  std::vector<Refused> refused;
  for (Job& job : to.jobs) {
    job.recipients.erase(job.recipients.begin(),
                         job.recipients.begin() + static_cast<std::ptrdiff_t>(job.next));
    refused.push_back(Refused{job.message, std::move(job.recipients), to.dead_dsn, to.dead_reason});
  }
  to.jobs.clear();
  return refused;
}

std::vector<Scheduler::Refused> Scheduler::finished(const Assignment& assignment, Health health,
                                                    std::string_view dsn, std::string_view reason,
                                                    MonoTime now) {
  Destination& to = *assignment.destination;
  Transport& via = *to.transport;
  --to.busy;
  --via.busy;
  const TransportSettings& settings = via.settings;
  if (settings.rate_delay.count() > 0) to.not_before = now + settings.rate_delay;
  const auto feedback = [&](double amount) { return amount < 0 ? -amount / to.window : amount; };
  std::vector<Refused> refused;
  if (health == Health::healthy) {
    to.failures = 0;
    // Only a full window says that a wider one would be used.
    if (static_cast<double>(to.busy) + 1 >= to.window)
      to.window =
          std::min<double>(settings.concurrency_limit, to.window + feedback(settings.positive_feedback));
  } else {
    to.failures += 1 / to.window;
    to.window = std::max(1.0, to.window - feedback(settings.negative_feedback));
    if (health == Health::dead || to.failures >= settings.failed_cohort_limit - 1e-9) {
      to.dead_until = now + settings.dead_time;
      to.dead_dsn = dsn;
      to.dead_reason = "delivery temporarily suspended: " + std::string(reason);
      to.failures = 0;
      to.window = settings.initial_concurrency;
      refused = refuse_all(to);
    }
  }
  forget_if_idle(to, now);
  return refused;
}

std::vector<Scheduler::Refused> Scheduler::suspend(const std::string& name, Microseconds time,
                                                   std::string_view dsn, std::string_view reason,
                                                   MonoTime now) {
  Transport& via = transport(name);
  via.suspended_until = now + time;
  via.suspended_dsn = dsn;
  via.suspended_reason = reason;
  std::vector<Refused> refused;
  for (auto& [nexthop, to] : via.destinations) {
    to->dead_dsn = dsn;
    to->dead_reason = reason;
    for (Refused& one : refuse_all(*to)) refused.push_back(std::move(one));
  }
  return refused;
}

void Scheduler::withdraw(const Message& message) {
  for (Transport* via : turn_)
    for (auto& [nexthop, to] : via->destinations)
      std::erase_if(to->jobs, [&](const Job& job) { return job.message == &message; });
}

void Scheduler::revive() {
  for (Transport* via : turn_) {
    via->suspended_until = {};
    for (auto& [nexthop, to] : via->destinations) to->dead_until = {};
  }
}

// Keeps what was learned only as long as it matters: a destination at its initial window, alive and
// without mail is as good as new.
void Scheduler::forget_if_idle(Destination& to, MonoTime now) {
  if (to.busy > 0 || !to.jobs.empty() || to.dead_until > now || to.not_before > now) return;
  Transport& via = *to.transport;
  if (to.in_ring) std::erase(via.ring, &to);
  const std::string nexthop = to.nexthop;
  via.destinations.erase(via.destinations.find(nexthop));
}

void Scheduler::tidy(MonoTime now) {
  for (Transport* via : turn_) {
    std::vector<Destination*> all;
    for (auto& [nexthop, to] : via->destinations) all.push_back(to.get());
    for (Destination* to : all) forget_if_idle(*to, now);
  }
}

MonoTime Scheduler::next_change(MonoTime now) const {
  MonoTime soonest = no_deadline;
  for (const Transport* via : turn_)
    for (const Destination* to : via->ring)
      if (!to->jobs.empty() && to->not_before > now) soonest = std::min(soonest, to->not_before);
  return soonest;
}

std::size_t Scheduler::destinations() const {
  std::size_t count = 0;
  for (const Transport* via : turn_) count += via->destinations.size();
  return count;
}

}  // namespace postrider::qmgr
