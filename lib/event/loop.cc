#include "lib/event/loop.h"

#include <algorithm>
#include <cstdlib>

#include <event2/event.h>
#include <sys/timerfd.h>

#include "lib/event/watch.h"

namespace postrider::event {

void TimerNode::set(MonoTime when) {
  cancel();
  if (when == no_deadline) return;
  when_ = when;
  loop_.timers_.push_back(this);
  loop_.sift_up(loop_.timers_.size() - 1, this);
}

void TimerNode::cancel() {
  if (position_ == 0) return;
  const std::size_t hole = std::exchange(position_, 0);
  TimerNode* last = loop_.timers_.back();
  loop_.timers_.pop_back();
  if (last == this) return;
  if (hole > 1 && last->when_ < loop_.timers_[hole / 2]->when_)
    loop_.sift_up(hole, last);
  else
    loop_.sift_down(hole, last);
}

void AtTurnEnd::arm() {
  if (std::exchange(armed_, true)) return;
  loop_.at_turn_end_.push_back(this);
}

AtTurnEnd::~AtTurnEnd() {
  if (armed_) std::erase(loop_.at_turn_end_, this);
}

void Loop::place(std::size_t position, TimerNode* node) {
  timers_[position] = node;
  node->position_ = position;
}

void Loop::sift_up(std::size_t position, TimerNode* node) {
  while (position > 1 && node->when_ < timers_[position / 2]->when_) {
    place(position, timers_[position / 2]);
    position /= 2;
  }
  place(position, node);
}

void Loop::sift_down(std::size_t position, TimerNode* node) {
  while (true) {
    std::size_t child = position * 2;
    if (child >= timers_.size()) break;
    if (child + 1 < timers_.size() && timers_[child + 1]->when_ < timers_[child]->when_) ++child;
    if (node->when_ <= timers_[child]->when_) break;
    place(position, timers_[child]);
    position = child;
  }
  place(position, node);
}

struct Loop::Signal {
  std::function<void()> handler;
  ::event* watch = nullptr;
  ~Signal() {
    if (watch) event_free(watch);
  }
};

Loop::Loop(const Clock& clock) : clock_(clock), timers_(1, nullptr) {
  event_config* config = event_config_new();
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
  base_ = event_base_new_with_config(config);
  event_config_free(config);
  if (!base_) throw NoRoomToWatch();  // no epoll descriptor: nothing can run
  alarm_ = os::Fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!alarm_) throw NoRoomToWatch();
  alarmed_ = event_new(
      base_, alarm_.get(), EV_READ | EV_ET | EV_PERSIST,
      [](int, short, void* self) { static_cast<Loop*>(self)->alarm_time_ = no_deadline; }, this);
  if (!alarmed_ || event_add(static_cast<::event*>(alarmed_), nullptr) != 0) throw NoRoomToWatch();
}

Loop::Loop(ManualClock& clock) : Loop(static_cast<const Clock&>(clock)) { manual_ = &clock; }

Loop::~Loop() {
  signals_.clear();
  event_free(static_cast<::event*>(alarmed_));
  event_base_free(base_);
}

bool Loop::expire_timers() {
  bool any = false;
  const MonoTime now = clock_.mono();
  while (timers_.size() > 1 && timers_[1]->when_ <= now) {
    TimerNode* node = timers_[1];
    node->cancel();
    node->expire();
    any = true;
  }
  return any;
}

bool Loop::step() {
  // Only what was ready at the start of this turn, so that yielding tasks cannot starve descriptors.
  bool progress = !ready_.empty();
  for (std::size_t n = ready_.size(); n > 0; --n) {
    const std::coroutine_handle<> handle = ready_.front();
    ready_.pop_front();
    handle.resume();
  }
  if (stopping_) return end_turn(), true;
  if (expire_timers()) progress = true;

  end_turn();
  if (stopping_) return true;
  // After progress the caller may have what it wanted, so this turn must not block.
  if (progress || !ready_.empty()) {
    event_base_loop(base_, EVLOOP_NONBLOCK);
    return true;
  }
  if (timers_.size() == 1) {
    constexpr int own_events = 1;  // the alarm
    if (event_base_get_num_events(base_, EVENT_BASE_COUNT_ADDED) == own_events) return false;
    event_base_loop(base_, EVLOOP_ONCE);
    return true;
  }
  if (manual_) {
    const std::uint64_t before = activity_;
    event_base_loop(base_, held_ > 0 ? EVLOOP_ONCE : EVLOOP_NONBLOCK);
    if (activity_ == before && ready_.empty() && held_ == 0 && timers_.size() > 1 &&
        timers_[1]->when_ > manual_->mono())
      manual_->advance(timers_[1]->when_ - manual_->mono());
    return true;
  }
  // What the turn's end brought may be due already.
  const bool due = timers_[1]->when_ <= clock_.mono();
  if (!due) alarm_at(timers_[1]->when_);
  event_base_loop(base_, due ? EVLOOP_NONBLOCK : EVLOOP_ONCE);
  return true;
}

void Loop::end_turn() {
  // What they do may arm others, or the same again: those have their turn as well.
  while (!at_turn_end_.empty()) {
    AtTurnEnd* next = at_turn_end_.back();
    at_turn_end_.pop_back();
    next->armed_ = false;
    next->turn_ends();
  }
}

void Loop::alarm_at(MonoTime when) {
  if (when >= alarm_time_) return;
  alarm_time_ = when;
  const auto delay = std::max(Microseconds{1}, when - clock_.mono());
  itimerspec setting{};
  setting.it_value.tv_sec = static_cast<time_t>(delay.count() / 1'000'000);
  setting.it_value.tv_nsec = static_cast<long>(delay.count() % 1'000'000) * 1000;
  ::timerfd_settime(alarm_.get(), 0, &setting, nullptr);
}

void Loop::run() {
  stopping_ = false;
  while (!stopping_ && step()) {
  }
}

void Loop::on_signal(int signal, std::function<void()> handler) {
  auto entry = std::make_unique<Signal>();
  entry->handler = std::move(handler);
  entry->watch = evsignal_new(
      base_, signal, [](int, short, void* self) { static_cast<Signal*>(self)->handler(); }, entry.get());
  evsignal_add(entry->watch, nullptr);
  signals_.push_back(std::move(entry));
}

Task<bool> Loop::sleep_until(MonoTime when, StopToken stop) {
  Wait wait(*this, when, stop);
  const Woken woken = co_await wait;
  co_return woken != Woken::stopped;
}

void Wait::wake(Woken result) {
  if (woken_) return;
  woken_ = true;
  result_ = result;
  cancel();
  unlink();
  // The waiter may destroy this object while it runs.
  if (self_) self_.resume();
}

}  // namespace postrider::event
