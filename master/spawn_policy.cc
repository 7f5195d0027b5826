#include "master/spawn_policy.h"

#include <algorithm>

namespace postrider::master {
namespace {

constexpr Seconds first_pause{1};
constexpr Seconds warning_interval{1000};
// A process that lived this long did not die of its start-up.
constexpr Seconds start_up_time{2};
// One crash in a while is one message's or one client's; this many within the time are the program's.
constexpr std::size_t most_crashes = 5;
constexpr Seconds crash_window{10};

}  // namespace

SpawnPolicy::SpawnPolicy(const Clock& clock, int process_limit, Seconds longest_pause)
    : clock_(clock), process_limit_(process_limit), longest_pause_(std::max(longest_pause, first_pause)) {}

void SpawnPolicy::change_limits(int process_limit, Seconds longest_pause) {
  process_limit_ = process_limit;
  longest_pause_ = std::max(longest_pause, first_pause);
  // The administrator may have mended what kept processes from starting.
  next_pause_ = first_pause;
  paused_until_ = {};
  crashes_.clear();
}

SpawnPolicy::Verdict SpawnPolicy::decide() const {
  if (available_ > 0) return Verdict::served;
  if (paused()) return Verdict::paused;
  if (process_limit_ > 0 && children_.size() >= static_cast<std::size_t>(process_limit_)) {
    return Verdict::at_limit;
  }
  return Verdict::spawn;
}

void SpawnPolicy::spawned(pid_t pid) {
  children_[pid] = Child{.started = clock_.mono()};
  ++available_;
}

Seconds SpawnPolicy::spawn_failed() { return pause(); }

void SpawnPolicy::set_available(pid_t pid, bool available) {
  const auto found = children_.find(pid);
  if (found == children_.end()) return;
  Child& child = found->second;
  child.worked = true;
  if (child.finishing || child.available == available) return;
  child.available = available;
  available_ = available ? available_ + 1 : available_ - 1;
}

void SpawnPolicy::set_lost(pid_t pid) {
  const auto found = children_.find(pid);
  if (found == children_.end() || !found->second.available) return;
  found->second.available = false;
  --available_;
}

void SpawnPolicy::set_finishing(pid_t pid) {
  const auto found = children_.find(pid);
  if (found == children_.end()) return;
  if (found->second.available) --available_;
  found->second.available = false;
  found->second.finishing = true;
}

void SpawnPolicy::set_all_finishing() {
  for (const auto& [pid, child] : children_) set_finishing(pid);
}

SpawnPolicy::Ending SpawnPolicy::ended(const os::ChildEnd& end) {
  Ending ending;
  const auto found = children_.find(end.pid);
  if (found == children_.end()) return ending;
  const Child child = found->second;
  children_.erase(found);
  if (child.available) --available_;
  ending.known = true;
  ending.finishing = child.finishing;
  ending.abnormal = end.signal != 0 || end.exit_status != 0;
  const MonoTime now = clock_.mono();
  const bool young = now - child.started < start_up_time;
  if (!ending.abnormal || !young) next_pause_ = first_pause;
  if (!ending.abnormal || child.finishing) return ending;
  crashes_.push_back(now);
  std::erase_if(crashes_, [&](MonoTime when) { return now - when >= crash_window; });
  if ((young && !child.worked) || crashes_.size() >= most_crashes) ending.pause = pause();
  return ending;
}

Seconds SpawnPolicy::pause() {
  const MonoTime now = clock_.mono();
  // Several processes that die of one cause make one pause, not a chain of them.
  if (now < paused_until_) return std::chrono::ceil<Seconds>(paused_until_ - now);
  const Seconds length = std::min(next_pause_, longest_pause_);
  next_pause_ = std::min(next_pause_ * 2, longest_pause_);
  paused_until_ = now + length;
  return length;
}

bool SpawnPolicy::has_finishing() const {
  return std::ranges::any_of(children_, [](const auto& child) { return child.second.finishing; });
}

bool SpawnPolicy::limit_warning_due() {
  const MonoTime now = clock_.mono();
  last_at_limit_ = now;
  if (last_warning_ && now - *last_warning_ < warning_interval) return false;
  last_warning_ = now;
  return true;
}

bool SpawnPolicy::under_stress() const {
  return last_at_limit_ && clock_.mono() - *last_at_limit_ < warning_interval;
}

}  // namespace postrider::master
