// Takes submissions out of maildrop/ and hands them to cleanup, several at a time so that they share a
// commit. A file goes when cleanup says that the message is on stable storage, or when its sender has
// been told that it cannot be accepted; until then it stays and is tried again at the next wake-up.
//
// The files are the submitters', who may have put anything into them.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>

#include "lib/daemon/daemon.h"
#include "lib/event/sync.h"
#include "lib/event/workers.h"
#include "lib/ipc/pool.h"
#include "lib/protocol/cleanup.h"
#include "lib/queue/layout.h"
#include "lib/queue/maildrop.h"
#include "pickup/config.h"

namespace postrider::pickup {

class Collector {
 public:
  Collector(daemon::Daemon& daemon, const Sections& sections);
  void start();  // after the sandbox

  // One pass over maildrop/, and another as long as the last one found new work.
  event::Task<> collect();

 private:
  event::Task<bool> pass();
  event::Task<> take(std::string name);
  event::Task<> hand_over(std::string name, queue::Submission& submission);
  event::Task<Result<protocol::Submitted>> submit(queue::Submission& submission);
  event::Task<Result<protocol::Submitted>> converse(queue::Submission& submission, std::string encoded);
  event::Task<bool> return_to_sender(queue::Submission& submission, protocol::Submitted verdict);
  event::Task<std::string> queue_id();
  void keep_damaged(const std::string& name, const Error& error);
  void remove(const std::string& name);
  bool unlinked(const std::string& name);
  bool overrides(std::string_view option) const;
  std::string received_header(const queue::Submission& submission) const;

  daemon::Daemon& daemon_;
  const Sections& sections_;
  const queue::Layout layout_{"."};  // daemons work in the queue directory
  ipc::Pool cleanup_;
  ipc::Pool bounce_;
  event::Semaphore at_once_;
  std::unique_ptr<event::Workers> workers_;
  std::deque<std::string> ids_;      // reserved, nobody else's
  std::set<std::string> submitted_;  // queued, and not unlinked yet: to be unlinked, not taken again
};

}  // namespace postrider::pickup
