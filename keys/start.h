// What keys does between reading its configuration and entering its sandbox.
#pragma once

#include <vector>

#include <sys/types.h>

#include "keys/config.h"
#include "keys/key_store.h"
#include "lib/daemon/daemon.h"

namespace postrider::keys {

extern const daemon::Declaration declaration;

// Reads every key file. What cannot be read is an error in the log; the other keys serve all the same.
KeyStore open_keys(daemon::Daemon& daemon, const KeysConfig& config);

// Who may ask: the account of the network daemons, root, and our own. Fails (configuration) when
// $network_owner does not exist though we were started by root.
Result<std::vector<uid_t>> allowed_callers(const daemon::Daemon& daemon);

}  // namespace postrider::keys
