// What master reads from main.cf beside the common sections.
#pragma once

#include "lib/config/settings.h"

namespace postrider::config {
class Catalogue;
}

namespace postrider::master {

struct MasterConfig : config::Section {
  config::Duration service_throttle_time{
      *this,
      "service_throttle_time",
      "60s",
      {.min = 1},
      "The longest pause before a service is started again whose processes die at start-up. The first pause "
      "is one second, each further one twice as long."};
  config::List master_service_disable{
      *this,
      "master_service_disable",
      "",
      {},
      "Services of master.cf that are not started: name/type, or a type for all services of that type."};
  config::Text process_id_directory{
      *this, "process_id_directory", "pid", {.min_length = 1}, "Where master.pid is, below queue_directory."};
  config::Duration stop_timeout{
      *this,
      "stop_timeout",
      "10s",
      {.max = 3600},
      "How long processes may finish what they have when the mail system stops; then they are killed."};
};

void declare_master(config::Catalogue& catalogue);

}  // namespace postrider::master
