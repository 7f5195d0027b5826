// When a service gets another process: on demand, up to its limit, and with growing pauses when its
// processes die before they did anything. One object per service; master does the spawning. Pure, on
// the handed-in clock.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include <sys/types.h>

#include "lib/base/clock.h"
#include "lib/os/process.h"

namespace postrider::master {

class SpawnPolicy {
 public:
  // `process_limit` 0: none. `longest_pause` is service_throttle_time.
  SpawnPolicy(const Clock& clock, int process_limit, Seconds longest_pause);

  // For a reload: processes that run keep running, counted against the new limit.
  void change_limits(int process_limit, Seconds longest_pause);

  // What to do when a client waits, or a wake-up is due, or nothing happened but the time.
  enum class Verdict {
    spawn,
    served,    // a process is there for it
    at_limit,  // wait until a process ends or is free
    paused,    // wait until paused_until()
  };
  Verdict decide() const;

  // A process begins available, since the first thing it does is to take a client.
  void spawned(pid_t pid);
  // exec or fork failed. Returns the pause.
  Seconds spawn_failed();
  // It has room for another client, or has not. It counts as having worked from its first report on.
  void set_available(pid_t pid, bool available);
  // It cannot be heard any more, but has not ended.
  void set_lost(pid_t pid);
  // Told to finish: never available again, but counted until it ends.
  void set_finishing(pid_t pid);
  void set_all_finishing();

  struct Ending {
    bool known = false;            // was one of ours
    bool abnormal = false;         // a signal, or an exit status other than 0
    bool finishing = false;        // was told to finish
    std::optional<Seconds> pause;  // set: died at start-up or too often, the service pauses
  };
  Ending ended(const os::ChildEnd& end);

  // True once in 1000 s while the limit is reached, so that the warning does not fill the log.
  bool limit_warning_due();
  // The limit was reached within the last 1000 s: what `stress` in main.cf is about.
  bool under_stress() const;

  bool has_finishing() const;
  std::size_t processes() const { return children_.size(); }
  std::size_t available() const { return available_; }
  int process_limit() const { return process_limit_; }
  bool paused() const { return clock_.mono() < paused_until_; }
  MonoTime paused_until() const { return paused_until_; }
  const auto& children() const { return children_; }

 private:
  struct Child {
    MonoTime started;
    bool available = true;
    bool finishing = false;
    bool worked = false;
  };
  Seconds pause();

  const Clock& clock_;
  int process_limit_;
  Seconds longest_pause_;
  std::map<pid_t, Child> children_;
  std::size_t available_ = 0;
  MonoTime paused_until_{};
  Seconds next_pause_{1};
  std::vector<MonoTime> crashes_;  // the latest, within seconds
  std::optional<MonoTime> last_warning_;
  std::optional<MonoTime> last_at_limit_;
};

}  // namespace postrider::master
