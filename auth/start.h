// What auth does between reading its configuration and entering its sandbox: opens databases, starts
// the process that verifies system passwords, loads SASL plug-ins.
#pragma once

#include <memory>

#include "auth/config.h"
#include "auth/server.h"
#include "lib/config/common.h"
#include "lib/daemon/daemon.h"
#include "lib/sasl/authenticator.h"

namespace postrider::auth {

extern const daemon::Declaration declaration;

// A database that cannot be opened is a line in the log, a kind that does not exist an error.
Result<std::unique_ptr<sasl::Authenticator>> open_users(daemon::Daemon& daemon, const AuthConfig& config);

Result<std::unique_ptr<sasl::Mechanisms>> load_mechanisms(daemon::Daemon& daemon, const AuthConfig& config,
                                                          const config::Identity& identity,
                                                          sasl::Authenticator& users);

Result<ServerSettings> server_settings(const daemon::Daemon& daemon, const AuthConfig& config);

}  // namespace postrider::auth
