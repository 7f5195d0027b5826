#include "pickup/config.h"

#include "lib/config/catalogue.h"

namespace postrider::pickup {

void declare_pickup(config::Catalogue& catalogue) {
  catalogue.add<PickupConfig>("pickup");
  catalogue.add<config::Identity>("pickup");
  catalogue.add<config::Limits>("pickup");
  catalogue.add<config::Services>("pickup");
  catalogue.add<config::Submission>("pickup");
}

}  // namespace postrider::pickup
