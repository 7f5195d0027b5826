// Addresses through the rewriter and the resolver, as recipients and as senders.
#include <cstdint>
#include <cstdlib>

#include "lib/base/log.h"
#include "lib/os/files.h"
#include "lib/table/table.h"
#include "rewrite/resolver.h"

using namespace postrider;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view address(reinterpret_cast<const char*>(data), size);
  static MemoryLog log;
  static const ManualClock clock;
  static const table::Context context{os::system_files(), log, clock};
  static const auto resolver = [] {
    rewrite::ResolverSettings s;
    s.rewriting = {.append_dot_mydomain = true, .myorigin = "my.example", .mydomain = "my.example"};
    s.myhostname = "my.example";
    s.local_transport = "local:my.example";
    s.virtual_transport = "virtual";
    s.relay_transport = "relay";
    s.default_transport = "smtp";
    s.empty_address_recipient = "MAILER-DAEMON";
    s.empty_relayhost_key = s.empty_default_transport_key = "<>";
    s.recipient_delimiter = "+-";
    s.mydestination = {"my.example", "localhost"};
    s.relay_domains = {"relay.example"};
    s.transport_maps = "inline:{ .example=a:b, x@y.z=c: }";
    s.sender_dependent_relayhost_maps = "inline:{ @s.example=[hub] }";
    s.local_recipient_maps = "inline:{ user=x }";
    s.is_own_address = [](std::string_view ip) { return ip == "127.0.0.1"; };
    return std::move(*rewrite::Resolver::make(std::move(s), context));
  }();
  log = MemoryLog();
  for (const rewrite::Context where : {rewrite::Context::local, rewrite::Context::remote})
    static_cast<void>(resolver->rewrite(address, where));
  const protocol::Route route = resolver->check(address, address).route;
  if (route.recipient.size() > queue::max_address_bytes || route.nexthop.size() > 1024) std::abort();
  if (route.trouble == protocol::Route::Trouble::none) {
    if (route.transport.empty() || route.nexthop.empty()) std::abort();
    // What is said to be ours must not be another's by its domain.
    const std::string domain = route.recipient.substr(route.recipient.rfind('@') + 1);
    const bool ours = domain == "my.example" || domain == "localhost" || domain == "[127.0.0.1]";
    if (ours != (route.address_class == protocol::AddressClass::local) &&
        !(domain.starts_with("[") && route.address_class == protocol::AddressClass::local))
      std::abort();
  }
  return 0;
}
