// The order in which keys made from an address, a domain or a network address are looked up.
//
// One function per search of Postfix's manual: addresses (virtual(5), canonical(5), relocated(5),
// generic(5), mailbox maps), aliases(5), transport(5), access(5). Whole keys go to every table,
// parts of them to tables of fixed keys only. An error means that the answer is not known; a search
// stops there. Addresses are in their internal form: local part without quotes, '@', domain.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/table/maps.h"

namespace postrider::table {

// What the searches need to know about this host.
struct AddressRules {
  std::string delimiters;  // recipient_delimiter: any of these begins the extension
  // Whether mail for the domain is this host's own: $myorigin, $mydestination, or a local network
  // address in brackets. Unset: none is.
  std::function<Result<bool>(std::string_view domain)> is_local;
};

struct SplitAddress {
  std::string_view local_part;
  std::optional<std::string_view> domain;  // after the last '@'; nullopt without one
};
SplitAddress split_address(std::string_view address);

struct Hit {
  std::string value;
  std::string key;        // what was found
  std::string extension;  // of the address, delimiter included, where the key did not contain it
};
using Found = Result<std::optional<Hit>>;

// user+ext@domain, user@domain, then, if the domain is local, user+ext and user, then @domain.
// `only_whole_addresses` leaves out the two without domain.
Found find_address(const Maps& maps, std::string_view address, const AddressRules& rules,
                   bool only_whole_addresses = false);

// aliases(5): user+ext, user.
Found find_alias(const Maps& maps, std::string_view local_part, const AddressRules& rules);

// How a domain's parents are looked up: "example.org" for mail.example.org too, or ".example.org"
// (parent_domain_matches_subdomains has the parameter's name, or not).
enum class Parents { plain, dotted };

// transport(5): user+ext@domain, user@domain, domain, its parents, and "*" last.
Found find_transport(const Maps& maps, std::string_view address, const AddressRules& rules, Parents parents);
// The last three of these, for a next hop without an address.
Found find_transport_domain(const Maps& maps, std::string_view domain, Parents parents);

// access(5) for addresses: user+ext@domain, user@domain, domain, its parents, user+ext@, user@.
Found find_access_address(const Maps& maps, std::string_view address, const AddressRules& rules,
                          Parents parents);
// access(5) for hosts: the name and its parents.
Found find_access_host(const Maps& maps, std::string_view name, Parents parents);
// access(5) for network addresses: the address, then shorter and shorter prefixes at '.' (IPv4) or
// ':' (IPv6).
Found find_access_network(const Maps& maps, std::string_view address);

}  // namespace postrider::table
