// The next hop of a delivery request, taken apart: "example.org", "[mail.example.org]:587", "[2001:db8::1]",
// "unix:private/lmtp", "inet:host:24". Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/error.h"

namespace postrider::smtp_client {

struct Nexthop {
  enum class Kind : std::uint8_t {
    domain,  // MX records, where there are any
    host,    // in brackets, or for LMTP: address records
    socket,  // a UNIX path
  };
  Kind kind = Kind::domain;
  std::string name;  // the domain or host in A-labels, the numeric address, or the path
  std::uint16_t port = 0;

  bool operator==(const Nexthop&) const = default;
};

// permanent: malformed; the text is for the log and the sender.
Result<Nexthop> parse_nexthop(std::string_view text, bool lmtp, std::string_view default_port);

// A number, or one of the names that mail uses. There is no /etc/services in the sandbox.
std::optional<std::uint16_t> parse_port(std::string_view text);

}  // namespace postrider::smtp_client
