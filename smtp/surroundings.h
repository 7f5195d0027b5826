// What everything in this folder is given: the loop, the configuration, the resolver. A test puts its own
// together; run.cc does it for the programs. Outlives everything that holds a reference to it.
#pragma once

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "lib/address/ip.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/dns/hosts.h"
#include "lib/dns/resolver.h"
#include "lib/event/loop.h"
#include "lib/event/scope.h"
#include "lib/tls/context.h"
#include "smtp/config.h"

namespace postrider::smtp_client {

struct Surroundings {
  event::Loop& loop;
  event::TaskScope& tasks;  // of what goes on after a delivery: goodbyes, the care of kept connections
  Log& log;
  const ClientConfig& config;
  dns::Resolver& resolver;
  event::StopToken stop{};

  dns::Hosts hosts{};
  std::string hostname{};   // myhostname
  std::string relayhost{};  // as configured: its mistakes defer mail instead of returning it
  bool soft_bounce = false;
  bool ipv4 = true, ipv6 = true;          // inet_protocols
  std::vector<address::IpAddress> own{};  // addresses that lead to this machine
  std::optional<address::IpAddress> bind4{}, bind6{};
  std::optional<tls::ClientContext> tls{};        // absent at level none
  std::vector<std::string> discarded_keywords{};  // upper case
  bool dns_first = true, native = false;          // host_lookup
  std::string flags{};                            // letters of flags=: D O R X
  // Sessions of servers that may be resumed, by Target::relay().
  static constexpr std::size_t most_tls_sessions = 500;
  StringMap<std::string> tls_sessions{};
  std::mt19937_64 random{std::random_device{}()};
};

}  // namespace postrider::smtp_client
