#include "cleanup/config.h"

#include "lib/config/catalogue.h"

namespace postrider::cleanup {

void declare_cleanup(config::Catalogue& catalogue) {
  catalogue.add<CleanupConfig>("cleanup");
  catalogue.add<config::Identity>("cleanup");
  catalogue.add<config::Domains>("cleanup");
  catalogue.add<config::Network>("cleanup");
  catalogue.add<config::Limits>("cleanup");
  catalogue.add<config::Services>("cleanup");
  catalogue.add<config::Tables>("cleanup");
}

}  // namespace postrider::cleanup
