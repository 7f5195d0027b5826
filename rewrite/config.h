// What an administrator can tell rewrite, under Postfix's names.
#pragma once

#include "lib/config/common.h"
#include "lib/config/settings.h"

namespace postrider::config {
class Catalogue;
}

namespace postrider::rewrite {

struct RewriteConfig : config::Section {
  config::Boolean append_at_myorigin{*this, "append_at_myorigin", "yes",
                                     "Append @$myorigin to addresses without a domain."};
  config::Boolean append_dot_mydomain{*this, "append_dot_mydomain",
                                      "${{$compatibility_level} <level {1} ? {yes} : {no}}",
                                      "Append .$mydomain to domains without a dot."};
  config::Boolean swap_bangpath{*this, "swap_bangpath", "yes", "Turn site!user into user@site."};
  config::Boolean allow_percent_hack{*this, "allow_percent_hack", "yes",
                                     "Turn user%domain into user@domain."};
  config::Text remote_header_rewrite_domain{*this,
                                            "remote_header_rewrite_domain",
                                            "",
                                            {},
                                            "Appended to incomplete addresses in headers from remote "
                                            "clients; empty: these headers are left alone."};
  config::Boolean resolve_dequoted_address{
      *this, "resolve_dequoted_address", "yes",
      "Look for @, % and ! inside quoted local parts too: safe rather than correct."};
  config::Boolean resolve_null_domain{*this, "resolve_null_domain", "no",
                                      "Take user@ for an address of this system."};
  config::Boolean resolve_numeric_domain{*this, "resolve_numeric_domain", "no",
                                         "Take user@192.0.2.1 for user@[192.0.2.1]."};
  config::List relocated_maps{
      *this, "relocated_maps", "", {}, "Tables of users and domains that have moved, with where to."};
  config::List sender_dependent_relayhost_maps{
      *this,
      "sender_dependent_relayhost_maps",
      "",
      {},
      "Tables from sender address or @domain to a relayhost instead of relayhost; DUNNO ends the search."};
  config::List sender_dependent_default_transport_maps{
      *this,
      "sender_dependent_default_transport_maps",
      "",
      {},
      "Tables from sender address or @domain to transport:nexthop instead of default_transport."};
  config::Text empty_address_recipient{
      *this, "empty_address_recipient", "MAILER-DAEMON", {}, "Who receives mail for the null address."};
  config::Text empty_address_relayhost_maps_lookup_key{
      *this,
      "empty_address_relayhost_maps_lookup_key",
      "<>",
      {.min_length = 1},
      "The null sender as a key of sender_dependent_relayhost_maps."};
  config::Text empty_address_default_transport_maps_lookup_key{
      *this,
      "empty_address_default_transport_maps_lookup_key",
      "<>",
      {.min_length = 1},
      "The null sender as a key of sender_dependent_default_transport_maps."};
  config::Boolean show_user_unknown_table_name{
      *this, "show_user_unknown_table_name", "yes",
      "Name the table in \"User unknown in virtual alias table\" and its like."};
  config::List canonical_maps{
      *this, "canonical_maps", "", {}, "Address mappings for all addresses in headers and envelope."};
  config::List recipient_canonical_maps{
      *this, "recipient_canonical_maps", "", {}, "Address mappings for recipients, before canonical_maps."};
  config::Integer table_threads{*this,
                                "rewrite_table_threads",
                                "4",
                                {.min = 1, .max = 64},
                                "How many lookups may wait for other programs or hosts at the same time."};
};

void declare_rewrite(config::Catalogue& catalogue);

}  // namespace postrider::rewrite
