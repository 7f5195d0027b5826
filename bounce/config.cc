#include "bounce/config.h"

#include "lib/config/catalogue.h"

namespace postrider::bounce {

void declare_bounce(config::Catalogue& catalogue) {
  catalogue.add<BounceConfig>("bounce");
  catalogue.add<config::Identity>("bounce");
  catalogue.add<config::Services>("bounce");
}

}  // namespace postrider::bounce
