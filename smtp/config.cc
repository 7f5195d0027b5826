#include "smtp/config.h"

#include "lib/config/catalogue.h"
#include "lib/daemon/dns_config.h"

namespace postrider::smtp_client {

tls::Strength ClientConfig::strength() const {
  tls::Strength strength;
  strength.protocols = tls_required() ? tls_mandatory_protocols() : tls_protocols();
  strength.grade = tls_required() ? tls_mandatory_ciphers() : tls_ciphers();
  strength.exclude_ciphers = tls_exclude_ciphers();
  if (tls_required()) strength.exclude_ciphers += " " + tls_mandatory_exclude_ciphers();
  return strength;
}

void declare_smtp(config::Catalogue& catalogue) {
  for (const char* room : {"smtp", "lmtp"}) {
    catalogue.add(room, std::make_unique<ClientConfig>(room));
    catalogue.add<daemon::DnsConfig>(room);
    catalogue.add<config::Identity>(room);
    catalogue.add<config::Network>(room);
    catalogue.add<config::Domains>(room);
    catalogue.add<config::Limits>(room);
  }
}

}  // namespace postrider::smtp_client
