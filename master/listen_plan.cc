#include "master/listen_plan.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <span>

#include <fmt/core.h>

#include "lib/base/text.h"

namespace postrider::master {

using address::IpAddress;

namespace {

class SystemNames final : public Names {
 public:
  std::optional<std::uint16_t> port(const std::string& service) override {
    servent entry{};
    servent* found = nullptr;
    char buffer[4096];
    ::getservbyname_r(service.c_str(), "tcp", &entry, buffer, sizeof buffer, &found);
    if (found == nullptr) return std::nullopt;
    return ntohs(static_cast<std::uint16_t>(found->s_port));
  }

  std::vector<IpAddress> addresses(const std::string& host) override {
    addrinfo wanted{};
    wanted.ai_family = AF_UNSPEC;
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    std::vector<IpAddress> result;
    if (::getaddrinfo(host.c_str(), nullptr, &wanted, &found) != 0) return result;
    for (const addrinfo* info = found; info != nullptr; info = info->ai_next) {
      const auto address = from_socket_address(*info);
      if (address && std::ranges::find(result, *address) == result.end()) result.push_back(*address);
    }
    ::freeaddrinfo(found);
    return result;
  }

 private:
  static std::optional<IpAddress> from_socket_address(const addrinfo& info) {
    std::uint8_t bytes[16];
    if (info.ai_family == AF_INET) {
      sockaddr_in v4{};
      std::memcpy(&v4, info.ai_addr, sizeof v4);
      std::memcpy(bytes, &v4.sin_addr, 4);
      return IpAddress::from_bytes(std::span(bytes, 4));
    }
    if (info.ai_family == AF_INET6) {
      sockaddr_in6 v6{};
      std::memcpy(&v6, info.ai_addr, sizeof v6);
      std::memcpy(bytes, &v6.sin6_addr, 16);
      return IpAddress::from_bytes(std::span(bytes, 16));
    }
    return std::nullopt;
  }
};

void add_once(std::vector<IpAddress>& to, const IpAddress& address, bool v4, bool v6) {
  if (!(address.is_v4() ? v4 : v6)) return;
  if (std::ranges::find(to, address) == to.end()) to.push_back(address);
}

// A numeric address with or without brackets, or a host name.
std::vector<IpAddress> addresses_of(const std::string& host, Names& names) {
  if (const auto numeric = IpAddress::parse_bracketed(host)) return {*numeric};
  return names.addresses(host);
}

struct HostAndPort {
  std::string host;  // empty: where inet_interfaces says
  std::string port;
};

// "25", "smtp", "host:25", "127.0.0.1:25", "[::1]:25".
std::optional<HostAndPort> split_name(const std::string& name) {
  if (name.starts_with('[')) {
    const std::size_t close = name.find("]:");
    if (close == std::string::npos) return std::nullopt;
    return HostAndPort{name.substr(0, close + 1), name.substr(close + 2)};
  }
  const std::size_t colon = name.find(':');
  if (colon == std::string::npos) return HostAndPort{"", name};
  // A second colon is an IPv6 address without brackets, which could be read in two ways.
  if (colon == 0 || name.find(':', colon + 1) != std::string::npos) return std::nullopt;
  return HostAndPort{name.substr(0, colon), name.substr(colon + 1)};
}

std::optional<std::uint16_t> port_of(const std::string& text, Names& names) {
  if (text.empty()) return std::nullopt;
  if (std::ranges::all_of(text, is_digit)) {
    const auto number = parse_number<std::uint16_t>(text);
    return number && *number > 0 ? number : std::nullopt;
  }
  return names.port(text);
}

Result<std::vector<SocketPlan>> plan_inet(const config::Service& service, const std::string& where,
                                          const Interfaces& interfaces, Names& names) {
  const auto parts = split_name(service.name);
  if (!parts) {
    return fail(Trouble::configuration,
                fmt::format("{}: bad service name \"{}\": use port, host:port or [address]:port", where,
                            service.name));
  }
  const auto port = port_of(parts->port, names);
  if (!port) {
    return fail(
        Trouble::configuration,
        fmt::format("{}: service \"{}\": unknown port \"{}\": use 1 to 65535 or a name in /etc/services",
                    where, service.name, parts->port));
  }

  std::vector<SocketPlan> sockets;
  const auto add = [&](std::string host, bool needed) {
    sockets.push_back({SocketPlan::Kind::inet, {std::move(host), *port}, 0, needed});
  };
  if (parts->host.empty() && interfaces.all) {
    if (interfaces.v4) add("0.0.0.0", !interfaces.v6);
    if (interfaces.v6) add("::", !interfaces.v4);
    return sockets;
  }
  std::vector<IpAddress> addresses = interfaces.addresses;
  if (!parts->host.empty()) {
    addresses.clear();
    for (const IpAddress& address : addresses_of(parts->host, names)) {
      add_once(addresses, address, interfaces.v4, interfaces.v6);
    }
    if (addresses.empty()) {
      return fail(Trouble::configuration,
                  fmt::format("{}: service \"{}\": host \"{}\" has no address under inet_protocols", where,
                              service.name, parts->host));
    }
  }
  // A name like localhost may stand for a family that the kernel does not have.
  const bool any_will_do = addresses.size() > 1 && (interfaces.loopback_only || !parts->host.empty());
  for (const IpAddress& address : addresses) add(address.text(), !any_will_do);
  return sockets;
}

Result<SocketPlan> plan_path(const config::Service& service, const std::string& where) {
  const std::string& name = service.name;
  bool good = !name.empty() && name.find('\0') == std::string::npos;
  for (const std::string_view part : split(name, '/'))
    good = good && !part.empty() && part != "." && part != "..";
  if (!good) {
    return fail(Trouble::configuration, fmt::format("{}: bad service name \"{}\": it names a file below {}/",
                                                    where, name, service.is_private ? "private" : "public"));
  }
  SocketPlan plan;
  plan.needed = true;
  plan.where.host = (service.is_private ? "private/" : "public/") + name;
  switch (service.type) {
    case config::ServiceType::fifo:
      plan.kind = SocketPlan::Kind::fifo;
      plan.mode = 0622;
      break;
    case config::ServiceType::unix_datagram:
      plan.kind = SocketPlan::Kind::unix_datagram;
      plan.mode = 0666;
      break;
    default:
      plan.kind = SocketPlan::Kind::unix_stream;
      plan.mode = 0666;
      break;
  }
  if (plan.where.host.size() > 107) {
    return fail(Trouble::configuration, fmt::format("{}: service name \"{}\" is too long", where, name));
  }
  return plan;
}

}  // namespace

Names& system_names() {
  static SystemNames names;
  return names;
}

Result<Interfaces> parse_interfaces(const std::vector<std::string>& inet_interfaces,
                                    const std::vector<std::string>& inet_protocols, Names& names) {
  Interfaces result;
  result.v4 = result.v6 = false;
  for (const std::string& word : inet_protocols) {
    if (iequals(word, "all")) {
      result.v4 = result.v6 = true;
    } else if (iequals(word, "ipv4")) {
      result.v4 = true;
    } else if (iequals(word, "ipv6")) {
      result.v6 = true;
    } else {
      return fail(Trouble::configuration,
                  fmt::format("bad value for parameter inet_protocols: \"{}\": use ipv4, ipv6 or all", word));
    }
  }
  if (!result.v4 && !result.v6) {
    return fail(Trouble::configuration, "parameter inet_protocols is empty: use ipv4, ipv6 or all");
  }

  result.all = false;
  for (const std::string& word : inet_interfaces) {
    if (iequals(word, "all")) {
      result.all = true;
    } else if (iequals(word, "loopback-only")) {
      result.loopback_only = true;
      add_once(result.addresses, *IpAddress::parse("127.0.0.1"), result.v4, result.v6);
      add_once(result.addresses, *IpAddress::parse("::1"), result.v4, result.v6);
    } else {
      const auto found = addresses_of(word, names);
      if (found.empty()) {
        return fail(Trouble::configuration,
                    fmt::format("parameter inet_interfaces: host not found: {}", word));
      }
      for (const IpAddress& address : found) add_once(result.addresses, address, result.v4, result.v6);
    }
  }
  if ((result.all || result.loopback_only) && inet_interfaces.size() > 1) {
    return fail(Trouble::configuration,
                "parameter inet_interfaces: \"all\" and \"loopback-only\" must stand alone");
  }
  if (!result.all && result.addresses.empty()) {
    return fail(Trouble::configuration,
                "parameter inet_interfaces names no address of a family in inet_protocols");
  }
  return result;
}

std::string SocketPlan::text() const {
  if (kind != Kind::inet) return where.host;
  const bool v6 = where.host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", where.host, where.port) : fmt::format("{}:{}", where.host, where.port);
}

Result<std::vector<SocketPlan>> plan_sockets(const config::Service& service, const std::string& master_cf,
                                             const Interfaces& interfaces, Names& names) {
  const std::string where = fmt::format("{}: line {}", master_cf, service.line);
  if (service.type == config::ServiceType::inet) return plan_inet(service, where, interfaces, names);
  const auto plan = plan_path(service, where);
  if (!plan) return fail(plan.error());
  return std::vector{*plan};
}

std::string identity_of(const config::Service& service) {
  return fmt::format("{}/{}", service.name, config::service_type_name(service.type));
}

SocketChanges compare(const std::vector<SocketPlan>& before, const std::vector<SocketPlan>& after) {
  const auto in = [](const std::vector<SocketPlan>& list, const SocketPlan& plan) {
    return std::ranges::any_of(list, [&](const SocketPlan& other) { return other.same_as(plan); });
  };
  SocketChanges changes;
  for (const SocketPlan& plan : after) (in(before, plan) ? changes.kept : changes.opened).push_back(plan);
  for (const SocketPlan& plan : before) {
    if (!in(after, plan)) changes.closed.push_back(plan);
  }
  return changes;
}

}  // namespace postrider::master
