#include "rewrite/resolver.h"

#include <fmt/format.h>

#include "lib/address/address.h"
#include "lib/address/domain.h"
#include "lib/address/ip.h"
#include "lib/base/log.h"
#include "lib/base/text.h"

namespace postrider::rewrite {

namespace {

using protocol::AddressClass;
using protocol::Route;

// A recipient may hide so many addresses inside each other: "a%b%c%d@here".
constexpr int max_layers = 50;

// "transport:nexthop", each of which may be empty.
struct Hop {
  std::string transport;
  std::string nexthop;
};
Hop parse_hop(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {std::string(text), {}};
  return {std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

std::string clipped(std::string text, std::size_t limit) {
  if (text.size() > limit) text.resize(limit);
  return text;
}

// "a b"@x -> a b@x. Text that is no quoted local part comes back as it is.
std::string dequoted(std::string_view address) {
  if (address.find('"') == std::string_view::npos && address.find('\\') == std::string_view::npos)
    return std::string(address);
  const std::size_t at = rfind_unquoted(address, '@');
  const std::string_view local = address.substr(0, at);
  std::string text;
  bool quoted = false;
  for (std::size_t i = 0; i < local.size(); ++i) {
    if (local[i] == '"')
      quoted = !quoted;
    else if (local[i] == '\\' && i + 1 < local.size())
      text += local[++i];
    else
      text += local[i];
  }
  // An odd quote is a character of an internal form, not a delimiter.
  if (quoted) return std::string(address);
  if (at != std::string_view::npos) text += address.substr(at);
  return text;
}

}  // namespace

// What take_apart() makes of an address.
struct Resolver::Parts {
  std::string local_part;
  std::string domain;      // lower case, without the dot at its end; never empty
  bool here = false;       // the domain is this system's, or there was none
  bool malformed = false;  // nothing that could be delivered
};

Resolver::Resolver(ResolverSettings settings, const table::Context& context)
    : settings_(std::move(settings)), context_(context) {
  sender_address_rules_.delimiters = settings_.recipient_delimiter;
  address_rules_ = sender_address_rules_;
  address_rules_.is_local = [this](std::string_view domain) -> Result<bool> {
    if (iequals(domain, settings_.rewriting.myorigin)) return true;
    return is_local(address::canonical_domain(domain));
  };
  const auto open = [&](const char* title, const std::string& list) {
    return table::Maps::open(title, list, context_);
  };
  transport_ = open("transport_maps", settings_.transport_maps);
  sender_relayhost_ = open("sender_dependent_relayhost_maps", settings_.sender_dependent_relayhost_maps);
  sender_transport_ =
      open("sender_dependent_default_transport_maps", settings_.sender_dependent_default_transport_maps);
  relocated_ = open("relocated_maps", settings_.relocated_maps);
  canonical_ = open("canonical_maps", settings_.canonical_maps);
  recipient_canonical_ = open("recipient_canonical_maps", settings_.recipient_canonical_maps);
  virtual_alias_ = open("virtual_alias_maps", settings_.virtual_alias_maps);
  local_recipient_ = open("local_recipient_maps", settings_.local_recipient_maps);
  virtual_mailbox_ = open("virtual_mailbox_maps", settings_.virtual_mailbox_maps);
  relay_recipient_ = open("relay_recipient_maps", settings_.relay_recipient_maps);
}

Result<std::unique_ptr<Resolver>> Resolver::make(ResolverSettings settings, const table::Context& context) {
  std::unique_ptr<Resolver> made(new Resolver(std::move(settings), context));
  struct ListOf {
    const char* parameter;
    const std::vector<std::string>& items;
    config::MatchList& list;
    config::MatchKind kind;
    bool parents;
  };
  const ResolverSettings& s = made->settings_;
  for (const ListOf& l :
       {ListOf{"mydestination", s.mydestination, made->mydestination_, config::MatchKind::text, false},
        ListOf{"virtual_alias_domains", s.virtual_alias_domains, made->virtual_alias_domains_,
               config::MatchKind::text, false},
        ListOf{"virtual_mailbox_domains", s.virtual_mailbox_domains, made->virtual_mailbox_domains_,
               config::MatchKind::text, false},
        ListOf{"relay_domains", s.relay_domains, made->relay_domains_, config::MatchKind::domain,
               s.relay_parents_match}}) {
    Result<config::MatchList> list = config::MatchList::make(l.items, l.kind, l.parents);
    if (!list) return fail(list.error().within(l.parameter));
    l.list = std::move(*list);
    // Opened now, so that trouble shows at start.
    for (const std::string& table : l.list.tables()) made->other_maps(table);
  }
  return made;
}

const table::Maps& Resolver::other_maps(const std::string& list) const {
  constexpr std::size_t most_lists = 1000;
  const auto found = others_.find(list);
  if (found != others_.end()) return found->second;
  // More lists than a configuration has: forget them all rather than grow.
  if (others_.size() >= most_lists) others_.clear();
  return others_.emplace(list, table::Maps::open(list, list, context_)).first->second;
}

Result<bool> Resolver::matches(const config::MatchList& list, std::string_view domain) const {
  return list.matches(domain, [this](std::string_view table, std::string_view key) -> Result<bool> {
    Result<std::optional<std::string>> found = other_maps(std::string(table)).lookup(key);
    if (!found) return fail(found.error());
    return found->has_value();
  });
}

Result<bool> Resolver::is_local(std::string_view domain) const {
  if (const auto ip = address::IpAddress::parse_bracketed(domain); ip && domain.starts_with('['))
    return settings_.is_own_address && settings_.is_own_address(ip->text());
  return matches(mydestination_, domain);
}

// Peels layers that end at this system: "user%other@here" is really user@other.
Result<Resolver::Parts> Resolver::take_apart(std::string_view address) const {
  Parts parts;
  std::string text = settings_.resolve_dequoted_address ? dequoted(address) : std::string(address);
  const auto find_at = [&] {
    return settings_.resolve_dequoted_address ? text.rfind('@') : rfind_unquoted(text, '@');
  };
  std::string outer_domain = address::canonical_domain(settings_.myhostname);
  const auto finish_here = [&] {
    parts.local_part = settings_.resolve_dequoted_address ? text : dequoted(text);
    parts.domain = outer_domain;
    parts.here = true;
    parts.malformed = text.empty();
    return parts;
  };
  for (int layer = 0; layer < max_layers; ++layer) {
    const std::size_t at = find_at();
    if (at == std::string::npos) {
      // No domain: this system's own, unless routing characters say otherwise.
      const std::string inner = rewrite_address(
          text, Context::local,
          {settings_.rewriting.swap_bangpath, settings_.rewriting.percent_hack, false, false, "", "", ""});
      if (inner == text) return finish_here();
      text = inner;
      continue;
    }
    std::string_view domain = std::string_view(text).substr(at + 1);
    if (domain.ends_with('.')) domain.remove_suffix(1);
    if (domain.ends_with('.')) break;
    if (domain.empty() && !settings_.resolve_null_domain) break;
    const std::string canonical = address::canonical_domain(domain);
    bool here = canonical.empty();
    if (!here) {
      const Result<bool> local = is_local(canonical);
      if (!local) return fail(local.error());
      here = *local;
    }
    if (!here) {
      parts.local_part = text.substr(0, at);
      if (!settings_.resolve_dequoted_address) parts.local_part = dequoted(parts.local_part);
      parts.domain = canonical;
      const bool numeric = address::IpAddress::parse(canonical).has_value();
      if (numeric && settings_.resolve_numeric_domain) parts.domain = "[" + canonical + "]";
      parts.malformed =
          parts.local_part.empty() ||
          !(canonical.starts_with('[') ? address::valid_literal(canonical)
                                       : (numeric ? settings_.resolve_numeric_domain
                                                  : address::valid_hostname(canonical, true) ||
                                                        address::valid_utf8_domain(canonical, true)));
      return parts;
    }
    if (!canonical.empty()) outer_domain = canonical;
    text.resize(at);
  }
  parts.malformed = true;
  return parts;
}

void Resolver::warn_twice_listed(std::string_view domain, std::string_view parameter) const {
  context_.log.warning("do not list domain {} in BOTH mydestination and {}", domain, parameter);
}

// The transport of the address class, before any table overrides it.
Result<> Resolver::classify(std::string_view sender, Parts& parts, Route& route) const {
  const auto use = [&](AddressClass address_class, const std::string& transport) {
    const Hop hop = parse_hop(transport);
    route.address_class = address_class;
    route.transport = hop.transport;
    route.nexthop = hop.nexthop.empty() ? parts.domain : hop.nexthop;
  };
  const Result<bool> alias = matches(virtual_alias_domains_, parts.domain);
  if (!alias) return fail(alias.error());
  const Result<bool> mailbox = matches(virtual_mailbox_domains_, parts.domain);
  if (!mailbox) return fail(mailbox.error());
  if (parts.here) {
    if (*alias) warn_twice_listed(parts.domain, "virtual_alias_domains");
    if (*mailbox) warn_twice_listed(parts.domain, "virtual_mailbox_domains");
    use(AddressClass::local, settings_.local_transport);
    return {};
  }
  if (*alias) {
    if (*mailbox)
      context_.log.warning("do not list domain {} in BOTH virtual_alias_domains and virtual_mailbox_domains",
                           parts.domain);
    // What virtual_alias_maps knew was replaced before delivery.
    route.address_class = AddressClass::virtual_alias;
    route.transport = "error";
    route.nexthop =
        settings_.show_table_name ? "5.1.1 User unknown in virtual alias table" : "5.1.1 User unknown";
    return {};
  }
  if (*mailbox) {
    use(AddressClass::virtual_mailbox, settings_.virtual_transport);
    return {};
  }
  const Result<bool> relay = matches(relay_domains_, parts.domain);
  if (!relay) return fail(relay.error());
  route.address_class = *relay ? AddressClass::relay : AddressClass::other;
  std::string transport = *relay ? settings_.relay_transport : settings_.default_transport;
  if (!*relay && !sender_transport_.empty()) {
    const table::Found found = sender.empty() ? [&]() -> table::Found {
      Result<std::optional<std::string>> value =
          sender_transport_.lookup(settings_.empty_default_transport_key);
      if (!value) return fail(value.error());
      if (!*value) return std::nullopt;
      return table::Hit{std::move(**value), {}, {}};
    }()
        : table::find_address(sender_transport_, sender, sender_address_rules_);
    if (!found) return fail(found.error());
    if (*found && !iequals((*found)->value, "DUNNO")) {
      Hop hop = parse_hop((*found)->value);
      if (hop.transport.empty()) hop.transport = parse_hop(settings_.default_transport).transport;
      transport = hop.transport + ":" + hop.nexthop;
    }
  }
  return route_outside(sender, parts, transport, route);
}

// A next hop outside: the transport's own, a relay host, or the recipient's domain.
Result<> Resolver::route_outside(std::string_view sender, const Parts& parts, const std::string& transport,
                                 Route& route) const {
  const Hop hop = parse_hop(transport);
  route.transport = hop.transport;
  route.nexthop = hop.nexthop;
  if (!route.nexthop.empty()) return {};
  std::string relayhost = settings_.relayhost;
  if (!sender_relayhost_.empty()) {
    Result<std::optional<std::string>> value = std::nullopt;
    if (sender.empty()) {
      value = sender_relayhost_.lookup(settings_.empty_relayhost_key);
    } else {
      const table::Found found = table::find_address(sender_relayhost_, sender, sender_address_rules_);
      if (!found) return fail(found.error());
      if (*found) value = (*found)->value;
    }
    if (!value) return fail(value.error());
    if (*value && !iequals(**value, "DUNNO")) relayhost = **value;
  }
  route.nexthop = relayhost.empty() ? parts.domain : relayhost;
  return {};
}

Result<> Resolver::apply_transport_table(const Parts& parts, Route& route) const {
  if (transport_.empty()) return {};
  const table::Parents parents =
      settings_.transport_parents_match ? table::Parents::plain : table::Parents::dotted;
  const table::Found found = table::find_transport(transport_, route.recipient, address_rules_, parents);
  if (!found) return fail(found.error());
  if (!*found) return {};
  const Hop hop = parse_hop(trim((*found)->value));
  // "transport:" goes to the recipient's domain, ":nexthop" keeps the transport, ":" changes nothing.
  if (!hop.transport.empty()) {
    route.transport = hop.transport;
    route.nexthop = hop.nexthop.empty() ? parts.domain : hop.nexthop;
  } else if (!hop.nexthop.empty()) {
    route.nexthop = hop.nexthop;
  }
  return {};
}

// Last, so that it holds whatever the transport table said.
Result<> Resolver::apply_relocated(Route& route) const {
  if (relocated_.empty()) return {};
  const table::Found found = table::find_address(relocated_, route.recipient, address_rules_);
  if (!found) return fail(found.error());
  if (!*found) return {};
  route.transport = "error";
  route.nexthop = "5.1.6 User has moved to " + (*found)->value;
  return {};
}

Route Resolver::resolve(std::string_view sender, std::string_view address) const {
  Route route;
  const auto table_trouble = [&](const Error& error) {
    context_.log.warning("table lookup problem while resolving <{}>: {}", address, error.text());
    Route in_trouble;
    in_trouble.recipient = clipped(std::string(address), queue::max_address_bytes);
    in_trouble.trouble = Route::Trouble::table;
    return in_trouble;
  };
  const std::string_view effective = address.empty() ? settings_.empty_address_recipient : address;
  Result<Parts> parts = take_apart(effective);
  if (!parts) return table_trouble(parts.error());
  if (parts->malformed) {
    route.recipient = clipped(std::string(address), queue::max_address_bytes);
    route.trouble = Route::Trouble::bad_syntax;
    return route;
  }
  route.recipient = parts->local_part + "@" + parts->domain;
  if (route.recipient.size() > queue::max_address_bytes) {
    route.recipient.resize(queue::max_address_bytes);
    route.trouble = Route::Trouble::bad_syntax;
    return route;
  }
  const bool operators =
      parts->local_part.find('@') != std::string::npos ||
      (settings_.rewriting.swap_bangpath && parts->local_part.find('!') != std::string::npos) ||
      (settings_.rewriting.percent_hack && parts->local_part.find('%') != std::string::npos);
  route.routed = operators && !parts->here;
  if (const Result<> done = classify(sender, *parts, route); !done) return table_trouble(done.error());
  if (route.address_class != AddressClass::virtual_alias)
    if (const Result<> done = apply_transport_table(*parts, route); !done) return table_trouble(done.error());
  if (const Result<> done = apply_relocated(route); !done) return table_trouble(done.error());
  route.transport = clipped(std::move(route.transport), 128);
  route.nexthop = clipped(std::move(route.nexthop), 1024);
  return route;
}

bool Resolver::resolving_blocks() const {
  for (const table::Maps* maps : {&transport_, &sender_relayhost_, &sender_transport_, &relocated_})
    if (maps->blocks()) return true;
  // Of these, only what domain lists name was opened before the first look_up().
  for (const config::MatchList* list :
       {&mydestination_, &virtual_alias_domains_, &virtual_mailbox_domains_, &relay_domains_})
    for (const std::string& table : list->tables())
      if (other_maps(table).blocks()) return true;
  return false;
}

}  // namespace postrider::rewrite
