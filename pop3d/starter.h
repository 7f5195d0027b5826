// The starter of sessions: takes logged-in clients from the front, asks auth who the ticket stands for, and
// forks a process that becomes the user for good before it touches the mailbox. The starter itself
// runs as root and reads nothing but typed messages of the front and of auth.
#pragma once

#include <string>
#include <vector>

#include "lib/config/common.h"
#include "lib/daemon/daemon.h"
#include "lib/ipc/call.h"
#include "lib/ipc/pool.h"
#include "lib/os/system_call_filter.h"
#include "lib/protocol/auth.h"
#include "lib/protocol/session.h"
#include "pop3d/config.h"

namespace postrider::pop3d {

class Starter {
 public:
  Starter(daemon::Daemon& daemon, const SessionConfig& config, const config::Services& services);
  event::Task<> answer(ipc::Call call, ipc::Frame frame);

 private:
  event::Task<protocol::SessionOpened> open(protocol::OpenSession request);
  event::Task<protocol::SessionOpened> start(protocol::OpenSession request, protocol::UserRecord user);
  [[noreturn]] void run_session(protocol::OpenSession request, const protocol::UserRecord& user,
                                os::Fd report);

  daemon::Daemon& daemon_;
  const SessionConfig& config_;
  Result<os::SystemCallFilter> filter_;  // of every session; made once, since that takes long
  ipc::Pool auth_;
};

}  // namespace postrider::pop3d
