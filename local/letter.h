// One delivery request being served: the message, its recipients, and what becomes of each, logged
// as it is known. Shared by local, virtual and pipe.
#pragma once

#include <string>
#include <string_view>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/event/stop.h"
#include "lib/ipc/call.h"
#include "lib/protocol/delivery.h"
#include "lib/queue/envelope.h"
#include "local/jobs.h"

namespace postrider::local {

using protocol::RecipientOutcome;

RecipientOutcome delivered(std::string reason);
RecipientOutcome deferred(std::string dsn, std::string reason);
RecipientOutcome bounced(std::string dsn, std::string reason);

class Letter {
 public:
  // permanent: not a request, or its envelope is malformed.
  static Result<Letter> open(ipc::Frame frame, WallTime now);

  const queue::Envelope& envelope() const { return envelope_; }
  const protocol::DeliveryRequest& request() const { return request_; }

  // The content for a worker, behind `head`.
  Mail mail(std::string head, std::vector<std::string> loops) const;

  // Logs one line for `recipient` as it is now, which alias expansion may have changed.
  void log(Log& log, std::string_view relay, const queue::Recipient& recipient,
           const RecipientOutcome& outcome, WallTime now) const;

 private:
  protocol::DeliveryRequest request_;
  queue::Envelope envelope_;
  WallTime started_;
};

// "Return-Path: <sender>\n", "X-Original-To: …\n", "Delivered-To: …\n", of these what is wanted.
struct HeadFields {
  bool return_path = true;
  bool original = true;
  bool delivered = true;
};
std::string make_head(std::string_view sender, const queue::Recipient& recipient,
                      std::string_view delivered_to, const HeadFields& wanted);

// What a worker's ending means for a recipient. `what` begins the reason of a failure.
RecipientOutcome outcome_of(const Ending& ending, std::string_view success, std::string_view what);
RecipientOutcome outcome_of(const CommandEnded& ended, std::string_view success, std::string_view command);

// What a delivery that a stop may have cut short answers. With nothing done there is no answer, and qmgr
// tries again at once instead of putting the message aside for minutes: throws Ended.
void answer_unless_stopped(ipc::Call call, const protocol::DeliveryReport& report, event::StopToken stop);

// soft_bounce: what failed for good is tried again.
void soften(RecipientOutcome& outcome);

// "From sender date\n" in the local time zone.
std::string separator_line(std::string_view sender, WallTime now);

}  // namespace postrider::local
