#include "lib/config/own_networks.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include "lib/base/text.h"
#include "lib/config/list.h"
#include "lib/config/values.h"

namespace postrider::config {

namespace {

using address::IpAddress;
using address::Network;

std::vector<std::uint8_t> bytes_of(const sockaddr* socket_address) {
  std::vector<std::uint8_t> bytes;
  if (socket_address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, socket_address, sizeof v4);
    bytes.resize(sizeof v4.sin_addr);
    std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
  } else if (socket_address->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, socket_address, sizeof v6);
    bytes.resize(sizeof v6.sin6_addr);
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
  }
  return bytes;
}

std::vector<std::string> words(const Values& values, std::string_view name) {
  const Result<std::string> text = values.text(name);
  if (!text) return {};
  return split_list(*text).value_or(std::vector<std::string>{});
}

bool has_word(const std::vector<std::string>& list, std::string_view word) {
  return std::ranges::any_of(list, [&](const std::string& item) { return iequals(item, word); });
}

unsigned class_prefix(std::uint8_t first) { return first < 128 ? 8 : (first < 192 ? 16 : 24); }

unsigned prefix_for(const InterfaceAddress& one, const std::string& style) {
  if (style == "host") return static_cast<unsigned>(one.address.bytes().size() * 8);
  if (style == "class" && one.address.is_v4()) return class_prefix(one.address.bytes().front());
  return one.prefix;
}

}  // namespace

std::vector<InterfaceAddress> interface_addresses() {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> keeper(first, &::freeifaddrs);
  std::vector<InterfaceAddress> found;
  for (const ifaddrs* one = first; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_netmask == nullptr || (one->ifa_flags & IFF_UP) == 0) continue;
    const std::optional<IpAddress> address = IpAddress::from_bytes(bytes_of(one->ifa_addr));
    if (!address) continue;
    unsigned prefix = 0;
    for (const std::uint8_t byte : bytes_of(one->ifa_netmask))
      prefix += static_cast<unsigned>(std::popcount(byte));
    found.push_back({*address, prefix});
  }
  return found;
}

std::string networks_text(std::span<const InterfaceAddress> addresses, const std::string& style) {
  std::vector<std::string> networks;
  for (const bool v4 : {true, false}) {
    for (const InterfaceAddress& one : addresses) {
      if (one.address.is_v4() != v4) continue;
      std::string text = Network::around(one.address, prefix_for(one, style)).text();
      if (std::ranges::find(networks, text) == networks.end()) networks.push_back(std::move(text));
    }
  }
  std::string joined;
  for (const std::string& text : networks) joined += (joined.empty() ? "" : " ") + text;
  return joined;
}

std::string networks_of_this_machine(const Values& values) {
  const std::vector<std::string> interfaces = words(values, "inet_interfaces");
  const std::vector<std::string> protocols = words(values, "inet_protocols");
  const bool every_interface = interfaces.empty() || has_word(interfaces, "all");
  const bool loopback = has_word(interfaces, "loopback-only");
  const bool every_protocol = protocols.empty() || has_word(protocols, "all");
  std::vector<IpAddress> named;
  for (const std::string& item : interfaces)
    if (const auto address = IpAddress::parse_bracketed(item)) named.push_back(*address);
  std::vector<InterfaceAddress> chosen;
  for (const InterfaceAddress& one : interface_addresses()) {
    if (!every_protocol && !has_word(protocols, one.address.is_v4() ? "ipv4" : "ipv6")) continue;
    if (every_interface || (loopback && one.address.is_loopback()) ||
        std::ranges::find(named, one.address) != named.end())
      chosen.push_back(one);
  }
  return networks_text(chosen, values.text("mynetworks_style").value_or("host"));
}

}  // namespace postrider::config
