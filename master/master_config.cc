#include "master/master_config.h"

#include "lib/config/catalogue.h"
#include "lib/config/common.h"

namespace postrider::master {

void declare_master(config::Catalogue& catalogue) {
  catalogue.add<MasterConfig>("master");
  catalogue.add<config::Identity>("master");
  catalogue.add<config::Process>("master");
  catalogue.add<config::Paths>("master");
  catalogue.add<config::Logging>("master");
  catalogue.add<config::Network>("master");
}

}  // namespace postrider::master
