// What every delivery agent does around its work: takes requests from qmgr, answers each with a report,
// logs a status line for each recipient.
#pragma once

#include <functional>
#include <string_view>

#include "lib/daemon/daemon.h"
#include "lib/protocol/delivery.h"
#include "lib/queue/envelope.h"

namespace postrider::daemon {

// One request, decoded. Lives until its report was sent.
struct Job {
  protocol::DeliveryRequest request;  // its `envelope` text is decoded below
  queue::Envelope envelope;
  WallTime started;    // when the agent took it up
  WallTime connected;  // when it was ready to transfer; set by the agent, else `started`
};

// Serves delivery requests until the daemon ends; `deliver` is called for many jobs at a time. A request that
// does not decode ends its connection.
int serve_deliveries(Daemon& daemon, std::function<event::Task<protocol::DeliveryReport>(Job&)> deliver);

// Logs the outcome as Postfix does: "ID: to=<…>, relay=…, …, status=sent (…)".
void log_outcome(Daemon& daemon, const Job& job, const protocol::RecipientOutcome& outcome,
                 std::string_view relay, unsigned connection_use = 1);

}  // namespace postrider::daemon
