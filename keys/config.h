// What keys is told by main.cf and master.cf: which files hold private keys, and for whom.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lib/config/master_cf.h"
#include "lib/config/settings.h"
#include "lib/config/values.h"
#include "lib/daemon/tls_config.h"

namespace postrider::config {
class Catalogue;
}

namespace postrider::keys {

// The TLS parameters of every program that serves under TLS; main.cf's values.
struct KeysConfig {
  daemon::TlsServerConfig smtpd{"smtpd"};
  daemon::TlsServerConfig pop3d{"pop3d"};
  daemon::TlsServerConfig imapd{"imapd"};
  std::vector<config::Section*> sections() { return {&smtpd, &pop3d, &imapd}; }
};

struct KeyFiles {
  std::vector<protocol::GetChains::File> files;  // without repetitions
  std::vector<std::string> complaints;           // entries of master.cf that cannot be understood
};

// Every pair of files that main.cf names, and those that an `-o` in master.cf names for one service.
KeyFiles collect_files(const KeysConfig& config, const config::Values& values,
                       const config::MasterCf* master_cf);

void declare_keys(config::Catalogue& catalogue);

}  // namespace postrider::keys
