#include "tools/submit_config.h"

#include "lib/config/catalogue.h"

namespace postrider::tools {

void declare_tools(config::Catalogue& catalogue) { catalogue.add<SubmitConfig>("tools"); }

}  // namespace postrider::tools
