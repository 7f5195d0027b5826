// The TLS parameters of a server program, smtpd_tls_* under its own prefix. The programs that read
// mail have the same ones (pop3d_tls_cert_file …), which by default are what smtpd_tls_* says.
//
//   struct Pop3dConfig … ; daemon::TlsServerConfig tls{"pop3d"};
#pragma once

#include <string>
#include <vector>

#include "lib/config/settings.h"
#include "lib/protocol/keys.h"
#include "lib/tls/context.h"

namespace postrider::daemon {

enum class TlsLevel { none, may, encrypt };

struct TlsServerConfig : config::Section {
  explicit TlsServerConfig(std::string prefix_of_names);

  const std::string prefix;
  config::Enum<TlsLevel> security_level;
  config::Boolean wrappermode;
  config::Boolean auth_only;
  config::List chain_files;
  config::Text cert_file;
  config::Text key_file;
  config::Text eccert_file;
  config::Text eckey_file;
  config::Text protocols;
  config::Text mandatory_protocols;
  config::Text ciphers;
  config::Text mandatory_ciphers;
  config::Text exclude_ciphers;
  config::Text mandatory_exclude_ciphers;
  config::Boolean ask_ccert;
  config::Boolean req_ccert;
  config::Text ca_file;
  config::Integer ccert_verifydepth;
  config::Integer loglevel;
  config::Duration session_cache_timeout;
  config::Boolean preempt_cipherlist;
  config::Text eecdh_auto_curves;

  // The files that hold keys and certificates, as keys is asked for them; empty when none is named.
  std::vector<protocol::GetChains::File> files() const;
  // TLS from the first byte, or only after it: the mandatory_ parameters count.
  bool mandatory() const { return security_level() == TlsLevel::encrypt || wrappermode(); }
  tls::Strength strength() const;

 private:
  // The full name of a parameter of ours, and its default when smtpd's is not to be taken over.
  std::string named(const char* suffix) const { return prefix + "_tls_" + suffix; }
  std::string inherited(const char* suffix, const char* otherwise = "") const;
};

}  // namespace postrider::daemon
