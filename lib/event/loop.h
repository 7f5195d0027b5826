// The event loop of a process: one thread, one libevent base, timers on the handed-in clock.
//
// With a ManualClock the loop advances it to the next timer whenever nothing else is ready, so tests
// of hours run in milliseconds. Everything registered with a loop must be destroyed before it.
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "lib/base/clock.h"
#include "lib/event/stop.h"
#include "lib/event/task.h"
#include "lib/os/fd.h"

struct event_base;

namespace postrider::event {

class Loop;

// A moment in the loop's timer heap; unset and unlinked when destroyed.
class TimerNode {
 public:
  explicit TimerNode(Loop& loop) : loop_(loop) {}
  TimerNode(const TimerNode&) = delete;
  TimerNode& operator=(const TimerNode&) = delete;
  virtual ~TimerNode() { cancel(); }
  void set(MonoTime when);  // replaces an earlier setting; no_deadline cancels
  void cancel();
  bool pending() const { return position_ != 0; }
  virtual void expire() = 0;  // runs from the loop; may destroy this object

 protected:
  Loop& loop_;

 private:
  friend class Loop;
  MonoTime when_{};
  std::size_t position_ = 0;  // 1-based place in the heap, 0: not in it
};

// Something to be done once before the loop waits again, however often it was asked for meanwhile:
// sending what a turn has gathered in one system call. Disarmed when destroyed.
class AtTurnEnd {
 public:
  explicit AtTurnEnd(Loop& loop) : loop_(loop) {}
  AtTurnEnd(const AtTurnEnd&) = delete;
  AtTurnEnd& operator=(const AtTurnEnd&) = delete;
  virtual ~AtTurnEnd();
  void arm();
  bool armed() const { return armed_; }
  virtual void turn_ends() = 0;  // runs from the loop, disarmed; must not destroy other objects of this kind

 protected:
  Loop& loop_;

 private:
  friend class Loop;
  bool armed_ = false;
};

// How a wait ended.
enum class Woken { ready, timed_out, stopped };

class Loop {
 public:
  explicit Loop(const Clock& clock);
  explicit Loop(ManualClock& clock);  // advances it by itself
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  const Clock& clock() const { return clock_; }
  MonoTime now() const { return clock_.mono(); }
  MonoTime after(Microseconds delay) const { return clock_.mono() + delay; }

  // Runs until stop(), or until nothing is left that could wake it.
  void run();
  void stop() { stopping_ = true; }
  // Runs until the task ended, and returns its value. For tests and commands.
  template <class T>
  T run_until_done(Task<T> task) {
    task.start();
    while (!task.done() && step()) {
    }
    if (!task.done()) std::abort();  // it waits for something that can never happen
    return task.take();
  }

  // co_await loop.yield(): lets every other ready task run first.
  auto yield() {
    struct Awaiter {
      Loop& loop;
      std::coroutine_handle<> self{};
      ~Awaiter() {
        if (self) std::erase(loop.ready_, self);
      }
      bool await_ready() { return false; }
      void await_suspend(std::coroutine_handle<> waiter) {
        self = waiter;
        loop.ready_.push_back(waiter);
      }
      void await_resume() { self = {}; }
    };
    return Awaiter{*this};
  }

  // Waits until `when`; false when the token stopped it.
  Task<bool> sleep_until(MonoTime when, StopToken stop = {});
  Task<bool> sleep(Microseconds delay, StopToken stop = {}) { return sleep_until(after(delay), stop); }

  // `handler` runs from the loop (not in signal context) each time the signal came.
  void on_signal(int signal, std::function<void()> handler);

  event_base* base() { return base_; }  // for libraries that join a libevent loop

  // Bookkeeping for ManualClock: time stands still while a descriptor was just served or work is
  // under way outside the loop (a worker thread).
  void note_activity() { ++activity_; }
  void hold_time() { ++held_; }
  void release_time() { --held_; }

 private:
  friend class TimerNode;
  friend class AtTurnEnd;
  bool step();  // one turn; false when nothing could ever wake it
  void end_turn();
  void alarm_at(MonoTime when);
  void place(std::size_t position, TimerNode* node);
  void sift_up(std::size_t position, TimerNode* node);
  void sift_down(std::size_t position, TimerNode* node);
  bool expire_timers();

  const Clock& clock_;
  ManualClock* manual_ = nullptr;
  event_base* base_ = nullptr;
  // One timerfd for all timers. It is set anew only for an earlier moment than it is set for: most
  // deadlines are cancelled long before they come, and a wake-up too many costs less than their bookkeeping.
  os::Fd alarm_;
  void* alarmed_ = nullptr;  // libevent's struct event, whose name would hide this namespace
  MonoTime alarm_time_ = no_deadline;
  bool stopping_ = false;
  std::uint64_t activity_ = 0;
  int held_ = 0;
  std::deque<std::coroutine_handle<>> ready_;
  std::vector<AtTurnEnd*> at_turn_end_;
  std::vector<TimerNode*> timers_;  // binary heap by when_, [0] unused
  struct Signal;
  std::vector<std::unique_ptr<Signal>> signals_;
};

// Suspends a coroutine until wake() or the deadline or a stop, whichever is first. The building block
// of every wait below; used once.
class Wait final : private TimerNode, private StopHook {
 public:
  Wait(Loop& loop, MonoTime deadline, StopToken stop) : TimerNode(loop), deadline_(deadline), stop_(stop) {}

  bool await_ready() {
    if (woken_) return true;
    if (stop_.stopped()) {
      result_ = Woken::stopped;
      return true;
    }
    return false;
  }
  void await_suspend(std::coroutine_handle<> self) {
    self_ = self;
    stop_.attach(*this);
    set(deadline_);
  }
  Woken await_resume() { return result_; }

  // Resumes the waiter inline. No effect when it was woken before.
  void wake(Woken result = Woken::ready);
  // The same from the loop, for wakers that the waiter may destroy.
  void wake_later() { set(loop_.now()); }
  bool waiting() const { return static_cast<bool>(self_) && !woken_; }

 private:
  void expire() override { wake(Woken::timed_out); }
  void notify() override { wake(Woken::stopped); }

  MonoTime deadline_;
  StopToken stop_;
  std::coroutine_handle<> self_;
  Woken result_ = Woken::ready;
  bool woken_ = false;
};

}  // namespace postrider::event
