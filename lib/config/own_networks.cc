#include "lib/config/own_networks.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>
#include <optional>

#include <arpa/inet.h>
#include <fmt/core.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include "lib/base/text.h"
#include "lib/config/list.h"
#include "lib/config/values.h"

namespace postrider::config {

namespace {

constexpr std::size_t ipv4_length = 4;

bool is_ipv4(const InterfaceAddress& address) { return address.address.size() == ipv4_length; }

bool is_loopback(const InterfaceAddress& address) {
  if (is_ipv4(address)) return address.address[0] == 127;
  return std::ranges::all_of(address.address.begin(), address.address.end() - 1,
                             [](auto b) { return b == 0; }) &&
         address.address.back() == 1;
}

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

std::vector<InterfaceAddress> interface_addresses() {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> keeper(first, &::freeifaddrs);
  std::vector<InterfaceAddress> found;
  for (const ifaddrs* one = first; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_netmask == nullptr || (one->ifa_flags & IFF_UP) == 0) continue;
    InterfaceAddress address{bytes_of(one->ifa_addr), 0};
    if (address.address.empty()) continue;
    for (const std::uint8_t byte : bytes_of(one->ifa_netmask))
      address.prefix += static_cast<unsigned>(std::popcount(byte));
    found.push_back(std::move(address));
  }
  return found;
}

std::optional<std::vector<std::uint8_t>> parse_address(std::string text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  std::vector<std::uint8_t> bytes(sizeof(in6_addr));
  if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return bytes;
  bytes.resize(ipv4_length);
  if (::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return bytes;
  return std::nullopt;
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

unsigned prefix_for(const InterfaceAddress& address, const std::string& style) {
  const auto bits = static_cast<unsigned>(address.address.size() * 8);
  if (style == "host") return bits;
  if (style == "class" && is_ipv4(address)) return class_prefix(address.address[0]);
  return std::min(address.prefix, bits);
}

}  // namespace

std::string networks_text(std::span<const InterfaceAddress> addresses, const std::string& style) {
  std::vector<std::string> networks;
  for (const InterfaceAddress& address : addresses) {
    const unsigned prefix = prefix_for(address, style);
    std::vector<std::uint8_t> network = address.address;
    for (std::size_t i = 0; i < network.size(); ++i) {
      const unsigned before = static_cast<unsigned>(i) * 8;
      const unsigned kept = prefix <= before ? 0 : std::min(prefix - before, 8U);
      network[i] = static_cast<std::uint8_t>(network[i] & (0xff00U >> kept));
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(is_ipv4(address) ? AF_INET : AF_INET6, network.data(), text.data(), text.size());
    std::string item = is_ipv4(address) ? fmt::format("{}/{}", text.data(), prefix)
                                        : fmt::format("[{}]/{}", text.data(), prefix);
    if (std::ranges::find(networks, item) == networks.end()) networks.push_back(std::move(item));
  }
  std::string joined;
  for (const std::string& item : networks) joined += (joined.empty() ? "" : " ") + item;
  return joined;
}

std::string networks_of_this_machine(const Values& values) {
  const std::vector<std::string> interfaces = words(values, "inet_interfaces");
  const std::vector<std::string> protocols = words(values, "inet_protocols");
  const bool every = interfaces.empty() || has_word(interfaces, "all");
  const bool loopback = has_word(interfaces, "loopback-only");
  const bool ipv4 = protocols.empty() || has_word(protocols, "all") || has_word(protocols, "ipv4");
  const bool ipv6 = protocols.empty() || has_word(protocols, "all") || has_word(protocols, "ipv6");
  std::vector<std::vector<std::uint8_t>> named;
  for (const std::string& item : interfaces)
    if (auto address = parse_address(item)) named.push_back(std::move(*address));
  const std::vector<InterfaceAddress> present = interface_addresses();
  std::vector<InterfaceAddress> chosen;
  const auto choose = [&](bool want_ipv4) {
    for (const InterfaceAddress& address : present)
      if (is_ipv4(address) == want_ipv4 && (every || (loopback && is_loopback(address)) ||
                                            std::ranges::find(named, address.address) != named.end()))
        chosen.push_back(address);
  };
  if (ipv4) choose(true);
  if (ipv6) choose(false);
  return networks_text(chosen, values.text("mynetworks_style").value_or("host"));
}

}  // namespace postrider::config
