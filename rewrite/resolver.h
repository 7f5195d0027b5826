// Decides where a recipient goes, and whether it exists: Postfix's four address classes and their
// tables, as one object without I/O of its own.
//
// The rewrite daemon keeps several, one for each lookup that may be under way; a resolver is used by one
// thread at a time and its tables may block. Recipients come from strangers; settings and tables are
// the administrator's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/config/match_list.h"
#include "lib/protocol/rewrite.h"
#include "lib/table/address_lookup.h"
#include "lib/table/maps.h"
#include "rewrite/rewriter.h"

namespace postrider::config {
class Values;
struct Domains;
struct Identity;
struct Network;
struct Tables;
struct Limits;
}  // namespace postrider::config

namespace postrider::rewrite {

struct RewriteConfig;

struct ResolverSettings {
  RewriteRules rewriting;
  std::string myhostname;
  std::string local_transport, virtual_transport, relay_transport, default_transport, relayhost;
  std::string recipient_delimiter;
  std::string empty_address_recipient;
  std::string empty_relayhost_key, empty_default_transport_key;
  bool resolve_dequoted_address = true;
  bool resolve_null_domain = false;
  bool resolve_numeric_domain = false;
  bool show_table_name = true;
  bool transport_parents_match = false;  // transport_maps in parent_domain_matches_subdomains
  std::vector<std::string> mydestination, virtual_alias_domains, virtual_mailbox_domains, relay_domains;
  bool relay_parents_match = true;
  // As parameters write them.
  std::string transport_maps, sender_dependent_relayhost_maps, sender_dependent_default_transport_maps;
  std::string relocated_maps, canonical_maps, recipient_canonical_maps, virtual_alias_maps;
  std::string local_recipient_maps, virtual_mailbox_maps, relay_recipient_maps;
  // Whether an address literal (without brackets) is one of this machine or its proxies.
  std::function<bool(std::string_view ip)> is_own_address;
};

// From the loaded parameters. Lists with /file items are read here. Errors: configuration.
Result<ResolverSettings> resolver_settings(const RewriteConfig& config, const config::Identity& identity,
                                           const config::Domains& domains, const config::Network& network);

class Resolver {
 public:
  // Opens the tables; those in trouble make lookups fail later, not this. Errors: configuration.
  static Result<std::unique_ptr<Resolver>> make(ResolverSettings settings, const table::Context& context);

  // The standard form of an address; see rewriter.h.
  std::string rewrite(std::string_view address, Context context) const {
    return rewrite_address(address, context, settings_.rewriting);
  }

  // `address` in internal or external form. Never fails: trouble is in the route.
  protocol::Route resolve(std::string_view sender, std::string_view address) const;

  // The address rewritten, resolved, and looked up in the tables of recipients: find_recipient() of
  // resolve().
  protocol::RecipientChecked check(std::string_view sender, std::string_view address) const;
  protocol::RecipientChecked find_recipient(protocol::Route route) const;

  // The first of `keys` that some table of the list knows, or each of them. See protocol::Lookup.
  protocol::LookedUp look_up(const protocol::Lookup& question) const;

  // Whether answering may wait for other programs or hosts.
  bool resolving_blocks() const;
  bool finding_blocks(protocol::AddressClass address_class) const;
  bool look_up_blocks(const std::string& maps) const { return other_maps(maps).blocks(); }

 private:
  Resolver(ResolverSettings settings, const table::Context& context);

  struct Parts;  // an address taken apart
  Result<bool> matches(const config::MatchList& list, std::string_view domain) const;
  Result<bool> is_local(std::string_view domain) const;
  Result<Parts> take_apart(std::string_view address) const;
  Result<> classify(std::string_view sender, Parts& parts, protocol::Route& route) const;
  Result<> route_outside(std::string_view sender, const Parts& parts, const std::string& transport,
                         protocol::Route& route) const;
  Result<> apply_transport_table(const Parts& parts, protocol::Route& route) const;
  Result<> apply_relocated(protocol::Route& route) const;
  Result<bool> knows(const table::Maps& maps, const std::string& recipient) const;
  Result<protocol::RecipientChecked::Existence> look_for(const protocol::Route& route,
                                                         std::string& table_kind) const;
  // The table of recipients of a class; nullptr where there is none.
  const table::Maps* recipients_of(protocol::AddressClass address_class) const;
  void warn_twice_listed(std::string_view domain, std::string_view parameter) const;
  const table::Maps& other_maps(const std::string& list) const;

  ResolverSettings settings_;
  table::Context context_;
  table::AddressRules address_rules_;         // mail_addr_find's: local domains by mydestination
  table::AddressRules sender_address_rules_;  // no bare user names
  config::MatchList mydestination_, virtual_alias_domains_, virtual_mailbox_domains_, relay_domains_;
  table::Maps transport_, sender_relayhost_, sender_transport_, relocated_, canonical_, recipient_canonical_;
  table::Maps virtual_alias_, local_recipient_, virtual_mailbox_, relay_recipient_;
  // Tables named in domain lists and in look_up() requests, by their text. Bounded.
  mutable StringMap<table::Maps> others_;
};

}  // namespace postrider::rewrite
