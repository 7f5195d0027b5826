// What an administrator can tell sendmail and prdrop.
#pragma once

#include "lib/config/settings.h"

namespace postrider::config {
class Catalogue;
}

namespace postrider::tools {

struct SubmitConfig : config::Section {
  config::List alternate_config_directories{
      *this,
      "alternate_config_directories",
      "",
      {},
      "Configuration directories that users may name to the set-gid prdrop with -C or MAIL_CONFIG."};
  config::List multi_instance_directories{
      *this, "multi_instance_directories", "", {}, "Configuration directories of further instances."};
  config::Text line_endings{
      *this,
      "sendmail_fix_line_endings",
      "always",
      {.min_length = 1},
      "When sendmail turns CR LF into LF: always, strict (if the first line has it) or never."};
};

void declare_tools(config::Catalogue& catalogue);

}  // namespace postrider::tools
