// What an administrator can tell anvil, under Postfix's names.
#pragma once

#include "lib/config/settings.h"

namespace postrider::config {
class Catalogue;
}

namespace postrider::anvil {

struct AnvilConfig : config::Section {
  config::Duration rate_time_unit{
      *this, "anvil_rate_time_unit", "60s", {.min = 1}, "The time over which rates of clients are counted."};
  config::Duration status_update_time{*this,
                                      "anvil_status_update_time",
                                      "600s",
                                      {.min = 1},
                                      "How often the highest counts and rates are logged."};
};

void declare_anvil(config::Catalogue& catalogue);

}  // namespace postrider::anvil
