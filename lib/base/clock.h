// Time as the suite sees it: handed in, so that tests turn it by hand.
//
// Wall time is for what people and other hosts read (logs, Received:, queue ages) and may jump;
// monotonic time is for deadlines and intervals and never goes back.
#pragma once

#include <chrono>

namespace postrider {

using Seconds = std::chrono::seconds;
using Milliseconds = std::chrono::milliseconds;
using Microseconds = std::chrono::microseconds;
using WallTime = std::chrono::time_point<std::chrono::system_clock, Microseconds>;
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, Microseconds>;

// A deadline that never passes.
inline constexpr MonoTime no_deadline = MonoTime::max();

class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime wall() const = 0;
  virtual MonoTime mono() const = 0;
};

// The machine's clocks. Stateless: any number may exist.
class SystemClock final : public Clock {
 public:
  WallTime wall() const override {
    return std::chrono::time_point_cast<Microseconds>(std::chrono::system_clock::now());
  }
  MonoTime mono() const override {
    return std::chrono::time_point_cast<Microseconds>(std::chrono::steady_clock::now());
  }
};

// For tests: stands still until advanced. Starts at 2024-01-01 00:00:00 UTC.
class ManualClock final : public Clock {
 public:
  WallTime wall() const override { return wall_; }
  MonoTime mono() const override { return mono_; }
  void advance(Microseconds by) {
    wall_ += by;
    mono_ += by;
  }
  // Moves the wall clock alone, as an administrator or NTP would.
  void set_wall(WallTime wall) { wall_ = wall; }

 private:
  WallTime wall_{Microseconds{1'704'067'200'000'000}};
  MonoTime mono_{Microseconds{1'000'000}};
};

}  // namespace postrider
