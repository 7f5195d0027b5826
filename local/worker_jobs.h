// The jobs of a worker, one function each. All but the forwarding block.
#pragma once

#include <vector>

#include "lib/base/clock.h"
#include "lib/event/loop.h"
#include "lib/mailbox/maildir_delivery.h"
#include "lib/os/files.h"
#include "local/jobs.h"

namespace postrider::local {

// What a worker has; lives as long as its process.
struct WorkerTools {
  os::Files& files;
  const Clock& clock;
  mailbox::MaildirDelivery& maildirs;
};

std::vector<Ending> store_in_maildirs(WorkerTools& tools, const std::vector<MaildirJob>& jobs);
Ending store_in_mbox(WorkerTools& tools, const MboxJob& job);
CommandEnded run_command(WorkerTools& tools, const CommandJob& job);
Targets read_targets(WorkerTools& tools, const TargetsJob& job);
event::Task<Forwarded> forward(WorkerTools& tools, event::Loop& loop, const ForwardJob& job);

// The address of mail.loops that a Delivered-To: field of the message names; "" for none. An error:
// the message cannot be read.
Result<std::string> find_loop(os::Files& files, const Mail& mail);

Ending ending_of(const Error& error);

}  // namespace postrider::local
