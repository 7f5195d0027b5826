// What an administrator can tell bounce, under Postfix's names.
#pragma once

#include "lib/config/common.h"
#include "lib/config/settings.h"

namespace postrider::config {
class Catalogue;
}

namespace postrider::bounce {

struct BounceConfig : config::Section {
  config::Bytes size_limit{*this,
                           "bounce_size_limit",
                           "50000",
                           {.min = 1},
                           "The largest message that is returned whole; of a larger one only the header is."};
  config::Text double_bounce_sender{
      *this,
      "double_bounce_sender",
      "double-bounce",
      {.min_length = 1},
      "The sender of notices to postmaster; mail from it that cannot be delivered is thrown away."};
  config::Text double_bounce_recipient{
      *this,
      "2bounce_notice_recipient",
      "postmaster",
      {.min_length = 1},
      "Who gets undeliverable mail that has no sender (notify_classes: 2bounce)."};
  config::Text bounce_recipient{*this,
                                "bounce_notice_recipient",
                                "postmaster",
                                {.min_length = 1},
                                "Who gets copies of returned mail's headers (notify_classes: bounce)."};
  config::Text delay_recipient{*this,
                               "delay_notice_recipient",
                               "postmaster",
                               {.min_length = 1},
                               "Who gets copies of warnings of delay (notify_classes: delay)."};
  config::List notify_classes{
      *this,
      "notify_classes",
      "resource, software",
      {},
      "What postmaster is told of: bounce, 2bounce, data, delay, policy, protocol, resource, software."};
  config::Duration queue_lifetime{*this,
                                  "maximal_queue_lifetime",
                                  "5d",
                                  {.unit = 'd'},
                                  "How old a message may become before it is returned to its sender."};
};

void declare_bounce(config::Catalogue& catalogue);

}  // namespace postrider::bounce
