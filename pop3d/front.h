// The front: what strangers talk to. Greeting, TLS, login; then the client is handed to a session that
// runs as the user. A client under TLS stays connected to the front, which relays its bytes.
//
// Trust: the front parses strangers' bytes in an empty root and sees passwords on their way to auth. It
// cannot open a mailbox: only a ticket from auth, redeemed by the session's starter, does.
#pragma once

#include <string>

#include "lib/config/common.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/tls_server.h"
#include "lib/ipc/pool.h"
#include "lib/pop3/command.h"
#include "lib/protocol/auth.h"
#include "pop3d/config.h"

namespace postrider::pop3d {

class Front {
 public:
  Front(daemon::Daemon& daemon, const Pop3dConfig& config, const daemon::TlsServerConfig& tls,
        const config::Services& services);
  // Before the sandbox.
  Result<> open() { return tls_.start(daemon_.tasks()); }
  event::Task<> serve(os::Fd client);

 private:
  friend class Login;
  daemon::Daemon& daemon_;
  const Pop3dConfig& config_;
  const daemon::TlsServerConfig& tls_config_;
  ipc::Pool auth_;
  ipc::Pool sessions_;
  daemon::TlsServer tls_;
  std::uint64_t serial_ = 0;
};

}  // namespace postrider::pop3d
