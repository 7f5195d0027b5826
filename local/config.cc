#include "local/config.h"

#include "lib/config/catalogue.h"

namespace postrider::local {

void declare_local(config::Catalogue& catalogue) {
  catalogue.add<LocalConfig>("local");
  catalogue.add<DeliveryConfig>("local");
  catalogue.add<config::Identity>("local");
  catalogue.add<config::Domains>("local");
  catalogue.add<config::Limits>("local");
  catalogue.add<config::Services>("local");
  catalogue.add<config::Tables>("local");
  catalogue.add<VirtualConfig>("virtual");
  catalogue.add<DeliveryConfig>("virtual");
  catalogue.add<config::Domains>("virtual");
  catalogue.add<config::Limits>("virtual");
  catalogue.add<config::Tables>("virtual");
  catalogue.add<DeliveryConfig>("pipe");
  catalogue.add<PipeConfig>("pipe");
  catalogue.add<config::Limits>("pipe");
}

}  // namespace postrider::local
