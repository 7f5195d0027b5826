// From a next hop to the addresses of its servers: MX, CNAME, A and AAAA (RFC 5321 section 5), null MX
// (RFC 7505), mail that would come back to ourselves.
#pragma once

#include <expected>
#include <vector>

#include "lib/event/task.h"
#include "smtp/failure.h"
#include "smtp/nexthop.h"
#include "smtp/surroundings.h"
#include "smtp/targets.h"

namespace postrider::smtp_client {

using Found = std::expected<std::vector<Target>, Failure>;

class Finder {
 public:
  explicit Finder(Surroundings& surroundings) : here_(surroundings) {}

  // The targets in the order to try them, at least one. Throws io::Ended when the process stops.
  event::Task<Found> find(Nexthop nexthop);

 private:
  event::Task<Found> find_by_mx(Nexthop nexthop);
  event::Task<Found> find_host(Nexthop nexthop);
  // The addresses of one host; empty and soft or hard failure otherwise.
  event::Task<std::expected<std::vector<address::IpAddress>, Failure>> addresses(std::string host);
  event::Task<> fill(std::string host, std::expected<std::vector<address::IpAddress>, Failure>& into,
                     bool& stopped);
  event::Task<> ask(std::string host, dns::Type type, Result<dns::Answer>& into, bool& stopped);
  std::vector<Target> targets_of(const std::vector<address::IpAddress>& addresses, const std::string& host,
                                 const Nexthop& nexthop, std::uint16_t preference) const;
  Ordering ordering() const;
  MonoTime deadline() const;

  Surroundings& here_;
};

}  // namespace postrider::smtp_client
