// The networks this machine is part of, for the default of mynetworks.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "lib/address/ip.h"

namespace postrider::config {

class Values;

struct InterfaceAddress {
  address::IpAddress address;
  unsigned prefix = 0;  // of its network, in bits
};

// Of the interfaces that are up; empty where they cannot be read.
std::vector<InterfaceAddress> interface_addresses();

// As mynetworks_style, inet_interfaces and inet_protocols say: "127.0.0.0/8 10.1.2.0/24 [::1]/128". Host
// names in inet_interfaces are passed over.
std::string networks_of_this_machine(const Values& values);

// The text for the given addresses, IPv4 first. `style` is host, subnet or class.
std::string networks_text(std::span<const InterfaceAddress> addresses, const std::string& style);

}  // namespace postrider::config
