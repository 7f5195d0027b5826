#include "lib/daemon/dns_config.h"

namespace postrider::daemon {

Result<std::unique_ptr<dns::UnboundResolver>> open_resolver(event::Loop& loop, const DnsConfig& config,
                                                            bool validate, event::StopToken stop) {
  dns::ResolverSettings settings;
  settings.forwarder = config.server();
  if (validate) {
    settings.trust_anchor_file = config.trust_anchor();
    settings.permissive = true;
  }
  return dns::UnboundResolver::open(loop, settings, stop);
}

}  // namespace postrider::daemon
