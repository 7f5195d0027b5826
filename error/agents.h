// The three agents that deliver nothing: error bounces, retry defers, discard throws away; each with the next
// hop as the reason, optionally with an enhanced status code in front ("5.1.1 no such user").
#pragma once

#include "lib/daemon/delivery_agent.h"

namespace postrider::error {

// The reports, without the logging: pure.
protocol::DeliveryReport bounce_all(const daemon::Job& job);   // "5.0.0 …"
protocol::DeliveryReport defer_all(const daemon::Job& job);    // "4.0.0 …"
protocol::DeliveryReport discard_all(const daemon::Job& job);  // "2.0.0 …"

using Report = protocol::DeliveryReport (*)(const daemon::Job&);

// The main of all three.
int run(int argc, char** argv, std::string_view name, std::string_view help, Report report);

}  // namespace postrider::error
