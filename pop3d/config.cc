#include "pop3d/config.h"

#include "lib/config/catalogue.h"
#include "lib/config/common.h"

namespace postrider::pop3d {

void declare_pop3d(config::Catalogue& catalogue) {
  catalogue.add<Pop3dConfig>("pop3d");
  catalogue.add("pop3d", std::make_unique<daemon::TlsServerConfig>("pop3d"));
  catalogue.add<SessionConfig>("pop3-session");
  catalogue.add<config::Services>("pop3d");
}

}  // namespace postrider::pop3d
