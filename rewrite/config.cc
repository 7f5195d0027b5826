#include "rewrite/config.h"

#include "lib/config/catalogue.h"

namespace postrider::rewrite {

void declare_rewrite(config::Catalogue& catalogue) {
  catalogue.add<RewriteConfig>("rewrite");
  catalogue.add<config::Identity>("rewrite");
  catalogue.add<config::Domains>("rewrite");
  catalogue.add<config::Network>("rewrite");
  catalogue.add<config::Tables>("rewrite");
  catalogue.add<config::Limits>("rewrite");
}

}  // namespace postrider::rewrite
