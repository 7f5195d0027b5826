#include "smtpd/config.h"

#include "lib/config/catalogue.h"
#include "lib/daemon/dns_config.h"

namespace postrider::smtpd {

void declare_smtpd(config::Catalogue& catalogue) {
  catalogue.add<SmtpdConfig>("smtpd");
  catalogue.add("smtpd", std::make_unique<daemon::TlsServerConfig>("smtpd"));
  catalogue.add<daemon::DnsConfig>("smtpd");
  catalogue.add<config::Identity>("smtpd");
  catalogue.add<config::Network>("smtpd");
  catalogue.add<config::Domains>("smtpd");
  catalogue.add<config::Limits>("smtpd");
  catalogue.add<config::Verp>("smtpd");
  catalogue.add<config::Services>("smtpd");
}

}  // namespace postrider::smtpd
