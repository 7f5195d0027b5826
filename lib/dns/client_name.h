// The name of a machine that connected to us, believed only when it leads back to the address.
#pragma once

#include <string>

#include "lib/address/ip.h"
#include "lib/dns/hosts.h"
#include "lib/dns/resolver.h"

namespace postrider::dns {

struct ClientName {
  enum class Status : std::uint8_t {
    verified,
    absent,     // there is no name, or it does not lead back: permanent
    temporary,  // the DNS could not be asked
    forged,     // as absent: the name leads to other addresses
  };
  std::string name = "unknown";          // the verified name
  std::string reverse_name = "unknown";  // what the reverse lookup said, verified or not
  Status status = Status::absent;        // of `name`
  Status reverse_status = Status::absent;
  std::string trouble;  // for one warning, as Postfix words it; "" when there is nothing to tell
};

// `hosts` is asked first, so its names need no DNS. Never fails; at the deadline it is "unknown".
event::Task<ClientName> verified_name(Resolver& resolver, const Hosts& hosts, address::IpAddress client,
                                      MonoTime deadline);

}  // namespace postrider::dns
