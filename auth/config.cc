#include "auth/config.h"

#include "lib/config/catalogue.h"
#include "lib/config/common.h"

namespace postrider::auth {

void declare_auth(config::Catalogue& catalogue) {
  catalogue.add<AuthConfig>("auth");
  catalogue.add<config::Identity>("auth");
}

}  // namespace postrider::auth
