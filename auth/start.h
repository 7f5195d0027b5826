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

LoginSettings login_settings(const daemon::Daemon& daemon, const AuthConfig& config);

// Fails (configuration) when $network_owner does not exist though we were started by root.
Result<Callers> allowed_callers(const daemon::Daemon& daemon);

// Serves clients of Dovecot's protocol until the daemon ends; its exit status.
int serve_dovecot(daemon::Daemon& daemon, Logins& logins);

}  // namespace postrider::auth
