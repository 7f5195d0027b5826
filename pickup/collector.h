// Takes submissions out of maildrop/ and hands them over, several at a time so that they share a commit. A
// file goes when its message is on stable storage, or when its sender has been told that it cannot be
// accepted; until then it stays and is tried again at the next wake-up.
//
// The files are the submitters', who may have put anything into them.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "lib/daemon/daemon.h"
#include "lib/event/sync.h"
#include "lib/event/workers.h"
#include "lib/queue/layout.h"
#include "pickup/submitter.h"

namespace postrider::pickup {

class Collector {
 public:
  Collector(daemon::Daemon& daemon, Submitter& submitter);
  void start();  // after the sandbox

  // One pass over maildrop/, and another as long as the last one found new work.
  event::Task<> collect();

 private:
  event::Task<bool> pass();
  event::Task<> take(std::string name);
  void keep_damaged(const std::string& name, const Error& error);
  void remove(const std::string& name);
  bool unlinked(const std::string& name);

  daemon::Daemon& daemon_;
  Submitter& submitter_;
  const queue::Layout layout_{"."};  // daemons work in the queue directory
  event::Semaphore at_once_;
  std::unique_ptr<event::Workers> workers_;
  std::set<std::string> submitted_;  // queued, and not unlinked yet: to be unlinked, not taken again
};

}  // namespace postrider::pickup
