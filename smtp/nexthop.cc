#include "smtp/nexthop.h"

#include <fmt/core.h>

#include "lib/address/domain.h"
#include "lib/address/ip.h"
#include "lib/base/log.h"
#include "lib/base/text.h"

namespace postrider::smtp_client {
namespace {

struct Service {
  std::string_view name;
  std::uint16_t port;
};
constexpr Service services[] = {
    {"smtp", 25}, {"lmtp", 24}, {"submission", 587}, {"submissions", 465}, {"smtps", 465}};

std::unexpected<Error> malformed(std::string_view text) {
  return fail(Trouble::permanent, fmt::format("bad next-hop destination: {}", printable(text)));
}

}  // namespace

std::optional<std::uint16_t> parse_port(std::string_view text) {
  for (const Service& service : services)
    if (iequals(service.name, text)) return service.port;
  const auto port = parse_number<std::uint16_t>(text);
  return port && *port > 0 ? port : std::nullopt;
}

Result<Nexthop> parse_nexthop(std::string_view text, bool lmtp, std::string_view default_port) {
  Nexthop out;
  const std::string_view whole = text;
  if (lmtp && text.starts_with("unix:")) {
    out.kind = Nexthop::Kind::socket;
    out.name = text.substr(5);
    if (out.name.empty() || out.name.size() > 107 || out.name.find('\0') != std::string::npos)
      return malformed(whole);
    return out;
  }
  if (text.starts_with("inet:")) text.remove_prefix(5);
  out.kind = lmtp ? Nexthop::Kind::host : Nexthop::Kind::domain;
  std::string_view port = default_port;
  if (text.starts_with('[')) {
    out.kind = Nexthop::Kind::host;
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return malformed(whole);
    out.name = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    if (istarts_with(out.name, "ipv6:")) out.name.erase(0, 5);
    if (!text.empty()) {
      if (text.front() != ':') return malformed(whole);
      port = text.substr(1);
    }
  } else {
    const std::size_t colon = text.find(':');
    out.name = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
  }
  while (out.name.ends_with('.')) out.name.pop_back();
  const std::optional<std::uint16_t> number = parse_port(port);
  if (!number || out.name.empty()) return malformed(whole);
  out.port = *number;
  if (const auto ip = address::IpAddress::parse(out.name)) {
    // DEVIATES RFC 5321 5.1 like everybody: an address without brackets is meant as one.
    out.kind = Nexthop::Kind::host;
    out.name = ip->text();
    return out;
  }
  const Result<std::string> ascii = address::to_ascii(out.name);
  if (!ascii || !address::valid_hostname(*ascii)) return malformed(whole);
  out.name = *ascii;
  return out;
}

}  // namespace postrider::smtp_client
