// Dates as mail writes them. Pure: the caller brings the local zone, so nothing reads /etc/localtime
// inside a sandbox.
#pragma once

#include <string>
#include <string_view>

#include "lib/base/clock.h"

namespace postrider::message {

// A local zone at one instant.
struct Zone {
  Seconds offset{0};              // east of Greenwich
  std::string_view name = "UTC";  // for the comment; letters, digits, '+' and '-' only, else left out
};

// The machine's zone at `time`. Asks the C library, which reads the zone file once at tzset(): the skeleton
// does that before a sandbox closes. The name stays valid.
Zone local_zone(WallTime time);

// RFC 5322 3.3, the day padded with a blank as Postfix pads it: "Mon,  1 Jan 2024 00:00:00 +0000 (UTC)".
std::string format_date(WallTime time, const Zone& zone = {});
// asctime's form, for mbox separators: "Mon Jan  1 00:00:00 2024".
std::string format_mbox_date(WallTime time, const Zone& zone = {});

// "<20240101000000.QUEUEID@mail.example.org>" with UTC time: unique as long as queue ids are.
std::string make_message_id(WallTime time, std::string_view queue_id, std::string_view hostname);

}  // namespace postrider::message
