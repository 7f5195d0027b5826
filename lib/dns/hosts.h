// /etc/hosts, read once before the sandbox: names of machines that the DNS need not know.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lib/address/ip.h"
#include "lib/base/error.h"
#include "lib/base/text.h"

namespace postrider::dns {

class Hosts {
 public:
  Hosts() = default;
  // Lines of "address name alias…" with '#' comments; what is malformed is passed over. At most 100,000
  // names.
  static Hosts parse(std::string_view text);
  // A file that does not exist is an empty one.
  static Result<Hosts> read(const std::string& path = "/etc/hosts");

  // In the order of the file; empty when the name is not there.
  std::vector<address::IpAddress> addresses(std::string_view name) const;
  // The first name of the first line with this address; "" when there is none.
  std::string name(const address::IpAddress& address) const;

 private:
  StringMap<std::vector<address::IpAddress>> by_name_;  // lower-case
  std::map<address::IpAddress, std::string> by_address_;
};

}  // namespace postrider::dns
