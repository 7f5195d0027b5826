// Every room that declares parameters. The list comes from the headers: a room that has
// `void declare_<room>(config::Catalogue&)` is in it (mk/rules.mk).

#include "lib/config/catalogue.h"
#include "tools/prconf.h"

#ifndef POSTRIDER_PARAMETER_ROOMS
#define POSTRIDER_PARAMETER_ROOMS ROOM(config, common)
#endif

#define ROOM(space, name)                             \
  namespace postrider::space {                        \
  void declare_##name(postrider::config::Catalogue&); \
  }
POSTRIDER_PARAMETER_ROOMS
#undef ROOM

namespace postrider::tools {

config::Catalogue every_parameter() {
  config::Catalogue catalogue;
#define ROOM(space, name) postrider::space::declare_##name(catalogue);
  POSTRIDER_PARAMETER_ROOMS
#undef ROOM
  return catalogue;
}

}  // namespace postrider::tools
