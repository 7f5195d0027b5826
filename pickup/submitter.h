// Hands submissions of local users to cleanup, and returns to their senders those that it will never take.
//
// What a submission says is its sender's word; who that is, and when it came, is the caller's.
#pragma once

#include <deque>
#include <string>

#include "lib/daemon/daemon.h"
#include "lib/ipc/pool.h"
#include "lib/protocol/cleanup.h"
#include "lib/queue/maildrop.h"
#include "pickup/config.h"

namespace postrider::pickup {

inline constexpr std::size_t submissions_at_once = 32;

class Submitter {
 public:
  Submitter(daemon::Daemon& daemon, const Sections& sections);

  // True when nobody needs the submission any more: it is on stable storage in the queue, a rule discarded
  // it, or its sender has been told that it cannot be accepted. Else the log says why, naming it `what`.
  // Throws Ended for a stop.
  event::Task<bool> hand_over(queue::Submission& submission, std::string what);

 private:
  event::Task<Result<protocol::Submitted>> submit(queue::Submission& submission);
  event::Task<Result<protocol::Submitted>> converse(const protocol::Submit& submit, const std::string& header,
                                                    const queue::Content& from);
  event::Task<bool> return_to_sender(queue::Submission& submission, protocol::Submitted verdict);
  event::Task<std::string> queue_id();
  bool overrides(std::string_view option) const;
  std::string received_header(const queue::Submission& submission) const;

  daemon::Daemon& daemon_;
  const Sections& sections_;
  ipc::Pool cleanup_;
  ipc::Pool bounce_;
  std::deque<std::string> ids_;  // reserved, nobody else's
};

}  // namespace postrider::pickup
