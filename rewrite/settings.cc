// From parameters to what the resolver works with.
#include <algorithm>
#include <memory>

#include "lib/address/ip.h"
#include "lib/base/text.h"
#include "lib/config/common.h"
#include "lib/config/list.h"
#include "lib/config/match_list.h"
#include "lib/config/own_networks.h"
#include "rewrite/config.h"
#include "rewrite/resolver.h"

namespace postrider::rewrite {

namespace {

std::string joined(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ", ") + item;
  return text;
}

// Addresses that mail may be sent to as user@[address]: those of inet_interfaces and proxy_interfaces.
// Names in these lists stand for addresses that are on an interface as well.
std::function<bool(std::string_view)> own_addresses(const config::Network& network) {
  auto own = std::make_shared<std::vector<address::IpAddress>>();
  const auto add_listed = [&](const std::vector<std::string>& items) {
    bool interfaces = false;
    for (const std::string& item : items) {
      if (const auto ip = address::IpAddress::parse_bracketed(item))
        own->push_back(*ip);
      else if (const auto plain = address::IpAddress::parse(item))
        own->push_back(*plain);
      else
        interfaces = true;
    }
    return interfaces;
  };
  add_listed(network.proxy_interfaces());
  if (add_listed(network.inet_interfaces()))
    for (const config::InterfaceAddress& one : config::interface_addresses()) own->push_back(one.address);
  return [own](std::string_view text) {
    const auto ip = address::IpAddress::parse(text);
    return ip && std::ranges::find(*own, *ip) != own->end();
  };
}

}  // namespace

Result<ResolverSettings> resolver_settings(const RewriteConfig& config, const config::Identity& identity,
                                           const config::Domains& domains, const config::Network& network) {
  ResolverSettings settings;
  settings.rewriting.swap_bangpath = config.swap_bangpath();
  settings.rewriting.percent_hack = config.allow_percent_hack();
  settings.rewriting.append_at_myorigin = config.append_at_myorigin();
  settings.rewriting.append_dot_mydomain = config.append_dot_mydomain();
  settings.rewriting.mydomain = identity.mydomain();
  settings.rewriting.remote_domain = config.remote_header_rewrite_domain();
  // myorigin = /etc/mailname: the file's first word.
  settings.rewriting.myorigin = identity.myorigin();
  if (identity.myorigin().starts_with('/')) {
    Result<std::vector<std::string>> read = config::include_files({identity.myorigin()});
    if (!read) return fail(read.error().within("myorigin"));
    if (read->empty())
      return fail(Trouble::configuration, "myorigin: file " + identity.myorigin() + " names no domain");
    settings.rewriting.myorigin = read->front();
  }
  settings.myhostname = identity.myhostname();
  settings.local_transport = domains.local_transport();
  settings.virtual_transport = domains.virtual_transport();
  settings.relay_transport = domains.relay_transport();
  settings.default_transport = domains.default_transport();
  settings.relayhost = domains.relayhost();
  settings.recipient_delimiter = domains.recipient_delimiter();
  settings.empty_address_recipient = config.empty_address_recipient();
  settings.empty_relayhost_key = config.empty_address_relayhost_maps_lookup_key();
  settings.empty_default_transport_key = config.empty_address_default_transport_maps_lookup_key();
  settings.resolve_dequoted_address = config.resolve_dequoted_address();
  settings.resolve_null_domain = config.resolve_null_domain();
  settings.resolve_numeric_domain = config.resolve_numeric_domain();
  settings.show_table_name = config.show_user_unknown_table_name();
  const auto& subdomains = domains.parent_domain_matches_subdomains();
  settings.transport_parents_match = config::parents_match(subdomains, "transport_maps");
  settings.relay_parents_match = config::parents_match(subdomains, "relay_domains");
  struct ListOf {
    const config::List& from;
    std::vector<std::string>& to;
  };
  for (const ListOf& list : {ListOf{domains.mydestination, settings.mydestination},
                             ListOf{domains.virtual_alias_domains, settings.virtual_alias_domains},
                             ListOf{domains.virtual_mailbox_domains, settings.virtual_mailbox_domains},
                             ListOf{domains.relay_domains, settings.relay_domains}}) {
    Result<std::vector<std::string>> items = config::include_files(list.from());
    if (!items) return fail(items.error().within(list.from.name()));
    list.to = std::move(*items);
  }
  settings.transport_maps = joined(domains.transport_maps());
  settings.virtual_alias_maps = joined(domains.virtual_alias_maps());
  settings.virtual_mailbox_maps = joined(domains.virtual_mailbox_maps());
  settings.local_recipient_maps = joined(domains.local_recipient_maps());
  settings.relay_recipient_maps = joined(domains.relay_recipient_maps());
  settings.sender_dependent_relayhost_maps = joined(config.sender_dependent_relayhost_maps());
  settings.sender_dependent_default_transport_maps = joined(config.sender_dependent_default_transport_maps());
  settings.relocated_maps = joined(config.relocated_maps());
  settings.canonical_maps = joined(config.canonical_maps());
  settings.recipient_canonical_maps = joined(config.recipient_canonical_maps());
  settings.is_own_address = own_addresses(network);
  return settings;
}

}  // namespace postrider::rewrite
