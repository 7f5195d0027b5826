// What an administrator can tell pickup.
#pragma once

#include <vector>

#include "lib/config/common.h"
#include "lib/config/settings.h"

namespace postrider::config {
class Catalogue;
}

namespace postrider::pickup {

struct PickupConfig : config::Section {
  config::Text content_filter{*this,
                              "content_filter",
                              "",
                              {},
                              "A transport:nexthop that receives all mail from here before delivery."};
  config::List receive_overrides{
      *this,
      "receive_override_options",
      "",
      {},
      "What is left to a later pass: no_unknown_recipient_checks, no_address_mappings, "
      "no_header_body_checks, no_milters."};
};

struct Sections {
  PickupConfig pickup;
  config::Identity identity;
  config::Limits limits;
  config::Services services;
  config::Submission submission;
  std::vector<config::Section*> all() { return {&pickup, &identity, &limits, &services, &submission}; }
};

void declare_pickup(config::Catalogue& catalogue);

}  // namespace postrider::pickup
