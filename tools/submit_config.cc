#include "tools/submit_config.h"

#include "lib/config/catalogue.h"
#include "lib/config/common.h"

namespace postrider::tools {

void declare_tools(config::Catalogue& catalogue) {
  catalogue.add<SubmitConfig>("tools");
  catalogue.add<config::Submission>("tools");
  catalogue.add<config::Verp>("tools");
}

}  // namespace postrider::tools
