#include "lib/dns/client_name.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/core.h>

namespace postrider::dns {
namespace {

using Status = ClientName::Status;

// The addresses of a name; nullopt when the DNS could not be asked.
event::Task<std::optional<std::vector<address::IpAddress>>> addresses_of(Resolver& resolver,
                                                                         const Hosts& hosts, std::string name,
                                                                         bool v4, MonoTime deadline) {
  std::vector<address::IpAddress> found = hosts.addresses(name);
  if (!found.empty()) co_return found;
  // A name is believed for the address it came with, so only that family matters.
  const Result<Answer> answer = co_await resolver.lookup(name, v4 ? Type::a : Type::aaaa, deadline);
  if (!answer) {
    if (answer.error().is(Trouble::permanent)) co_return found;
    co_return std::nullopt;
  }
  for (const Record& record : answer->records) found.push_back(record.ip);
  co_return found;
}

}  // namespace

event::Task<ClientName> verified_name(Resolver& resolver, const Hosts& hosts, address::IpAddress client,
                                      MonoTime deadline) {
  ClientName out;
  std::string name = hosts.name(client);
  if (name.empty()) {
    const Result<Answer> answer = co_await resolver.lookup(client.reverse_name(), Type::ptr, deadline);
    if (!answer) {
      out.status = out.reverse_status = Status::temporary;
      co_return out;
    }
    if (answer->records.empty()) co_return out;
    name = answer->records.front().host;
  }
  out.reverse_name = name;
  out.reverse_status = Status::verified;
  const std::optional<std::vector<address::IpAddress>> found =
      co_await addresses_of(resolver, hosts, name, client.is_v4(), deadline);
  if (!found) {
    out.status = Status::temporary;
    out.trouble =
        fmt::format("hostname {} does not resolve to address {}: Temporary failure in name resolution", name,
                    client.text());
  } else if (found->empty()) {
    out.trouble = fmt::format("hostname {} does not resolve to address {}: Name or service not known", name,
                              client.text());
  } else if (std::ranges::find(*found, client) == found->end()) {
    out.status = Status::forged;
    out.trouble = fmt::format("hostname {} does not resolve to address {}", name, client.text());
  } else {
    out.status = Status::verified;
    out.name = name;
  }
  co_return out;
}

}  // namespace postrider::dns
