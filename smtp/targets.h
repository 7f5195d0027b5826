// The servers a message may be handed to, in the order to try them. Pure.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "lib/address/ip.h"
#include "smtp/config.h"

namespace postrider::smtp_client {

// One address of one server, or one UNIX socket.
struct Target {
  std::string host;  // as the MX record or the next hop names it; our own name for a UNIX socket
  address::IpAddress ip;
  std::string path;  // of a UNIX socket; empty: `ip` and `port`
  std::uint16_t port = 0;
  std::uint16_t preference = 0;
  bool best = false;         // no other server of the destination is preferred to it
  bool detect_loop = false;  // on the mail port of a destination that was looked up

  // "mail.example.org[192.0.2.1]", as failures name it.
  std::string label() const;
  // "mail.example.org[192.0.2.1]:25", as relay= shows it; a UNIX socket has no port.
  std::string relay() const;
  bool operator==(const Target&) const = default;
};

struct Ordering {
  AddressPreference preference = AddressPreference::any;
  bool randomize = true;
  bool balance = true;
  std::size_t limit = 5;  // 0: none
};

// By preference, shuffled among equals, the preferred protocol first; cut at the limit so that, balanced, at
// least one address of each protocol stays.
std::vector<Target> in_order(std::vector<Target> targets, const Ordering& ordering, std::mt19937_64& random);

// What is left when one of `own` is among them: only servers that are preferred to us (RFC 5321 5.1). True in
// `found_self` when it was.
std::vector<Target> before_self(std::vector<Target> targets, std::span<const address::IpAddress> own,
                                bool& found_self);

}  // namespace postrider::smtp_client
