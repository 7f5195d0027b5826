#include "anvil/config.h"

#include "lib/config/catalogue.h"

namespace postrider::anvil {

void declare_anvil(config::Catalogue& catalogue) { catalogue.add<AnvilConfig>("anvil"); }

}  // namespace postrider::anvil
