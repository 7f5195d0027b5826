#include "lib/table/address_lookup.h"

#include "lib/address/address.h"
#include "lib/base/text.h"

namespace postrider::table {

namespace {

// Looks keys up one after another until one is found or a table fails.
class Search {
 public:
  explicit Search(const Maps& maps) : maps_(maps) {}

  bool ended() const { return ended_; }

  void try_key(const std::string& key, Maps::Keys keys, std::string_view extension = {}) {
    if (ended_ || key.empty()) return;
    Result<std::optional<std::string>> found = maps_.lookup(key, keys);
    if (!found) {
      result_ = fail(found.error());
      ended_ = true;
    } else if (*found) {
      result_ = Hit{std::move(**found), key, std::string(extension)};
      ended_ = true;
    }
  }

  // An address, in the quoted form of text first, then as it is.
  void try_address(std::string_view local_part, std::string_view domain, Maps::Keys keys,
                   std::string_view extension = {}) {
    if (ended_) return;
    const std::string at_domain = "@" + std::string(domain);
    const std::string quoted = address::quote_local_part(local_part);
    try_key(quoted + at_domain, keys, extension);
    if (quoted != local_part) try_key(std::string(local_part) + at_domain, keys, extension);
  }

  void try_local(std::string_view local_part, Maps::Keys keys, std::string_view extension = {}) {
    const std::string quoted = address::quote_local_part(local_part);
    try_key(quoted, keys, extension);
    if (quoted != local_part) try_key(std::string(local_part), keys, extension);
  }

  // A domain and its parents. An address in brackets has none.
  void try_domain(std::string_view domain, Parents parents, Maps::Keys keys) {
    try_key(std::string(domain), keys);
    if (domain.starts_with('[')) return;
    // A dot in front or behind is no label.
    for (std::size_t dot = domain.find('.', 1); dot != std::string_view::npos && !ended_;
         dot = domain.find('.', dot + 1)) {
      if (dot + 1 >= domain.size()) break;
      try_key(std::string(domain.substr(parents == Parents::dotted ? dot : dot + 1)), Maps::Keys::partial);
    }
  }

  Found take() { return std::move(result_); }

 private:
  const Maps& maps_;
  Found result_ = std::nullopt;
  bool ended_ = false;
};

// A local part without its extension, and the extension with its delimiter; empty: none.
struct User {
  std::string_view user;
  std::string_view extension;
};

User split_user(std::string_view local_part, const AddressRules& rules) {
  const std::string_view user = address::split_extension(local_part, rules.delimiters).user;
  return {user, local_part.substr(user.size())};
}

}  // namespace

SplitAddress split_address(std::string_view address) {
  const std::size_t at = address.rfind('@');
  if (at == std::string_view::npos) return {address, std::nullopt};
  return {address.substr(0, at), address.substr(at + 1)};
}

Found find_address(const Maps& maps, std::string_view address, const AddressRules& rules,
                   bool only_whole_addresses) {
  if (maps.empty()) return std::nullopt;
  const SplitAddress parts = split_address(address);
  const User user = split_user(parts.local_part, rules);
  Search search(maps);
  if (!parts.domain) {
    search.try_local(parts.local_part, Maps::Keys::whole);
    if (!user.extension.empty()) search.try_local(user.user, Maps::Keys::partial, user.extension);
    return search.take();
  }
  search.try_address(parts.local_part, *parts.domain, Maps::Keys::whole);
  if (!user.extension.empty())
    search.try_address(user.user, *parts.domain, Maps::Keys::partial, user.extension);
  if (!only_whole_addresses && !search.ended() && rules.is_local) {
    const Result<bool> local = rules.is_local(*parts.domain);
    if (!local) return fail(local.error());
    if (*local) {
      search.try_local(parts.local_part, Maps::Keys::partial);
      if (!user.extension.empty()) search.try_local(user.user, Maps::Keys::partial, user.extension);
    }
  }
  search.try_key("@" + std::string(*parts.domain), Maps::Keys::partial);
  return search.take();
}

Found find_alias(const Maps& maps, std::string_view local_part, const AddressRules& rules) {
  if (maps.empty()) return std::nullopt;
  const User user = split_user(local_part, rules);
  Search search(maps);
  search.try_key(std::string(local_part), Maps::Keys::whole);
  if (!user.extension.empty()) search.try_key(std::string(user.user), Maps::Keys::whole, user.extension);
  return search.take();
}

Found find_transport(const Maps& maps, std::string_view address, const AddressRules& rules, Parents parents) {
  if (maps.empty()) return std::nullopt;
  const SplitAddress parts = split_address(address);
  const User user = split_user(parts.local_part, rules);
  Search search(maps);
  const std::string_view domain = parts.domain.value_or("");
  if (parts.domain) {
    search.try_address(parts.local_part, domain, Maps::Keys::whole);
    if (!user.extension.empty()) search.try_address(user.user, domain, Maps::Keys::partial, user.extension);
  } else {
    search.try_local(parts.local_part, Maps::Keys::whole);
    if (!user.extension.empty()) search.try_local(user.user, Maps::Keys::partial, user.extension);
  }
  if (!domain.empty()) search.try_domain(domain, parents, Maps::Keys::partial);
  search.try_key("*", Maps::Keys::partial);
  return search.take();
}

Found find_transport_domain(const Maps& maps, std::string_view domain, Parents parents) {
  if (maps.empty()) return std::nullopt;
  Search search(maps);
  if (!domain.empty()) search.try_domain(domain, parents, Maps::Keys::partial);
  search.try_key("*", Maps::Keys::partial);
  return search.take();
}

Found find_access_address(const Maps& maps, std::string_view address, const AddressRules& rules,
                          Parents parents) {
  if (maps.empty()) return std::nullopt;
  const SplitAddress parts = split_address(address);
  const User user = split_user(parts.local_part, rules);
  Search search(maps);
  const std::string_view domain = parts.domain.value_or("");
  if (parts.domain)
    search.try_address(parts.local_part, domain, Maps::Keys::whole);
  else
    search.try_local(parts.local_part, Maps::Keys::whole);
  if (parts.domain && !user.extension.empty())
    search.try_address(user.user, domain, Maps::Keys::partial, user.extension);
  if (!domain.empty()) search.try_domain(domain, parents, Maps::Keys::partial);
  search.try_address(parts.local_part, "", Maps::Keys::partial);
  if (!user.extension.empty()) search.try_address(user.user, "", Maps::Keys::partial, user.extension);
  return search.take();
}

Found find_access_host(const Maps& maps, std::string_view name, Parents parents) {
  if (maps.empty()) return std::nullopt;
  Search search(maps);
  search.try_domain(name, parents, Maps::Keys::whole);
  return search.take();
}

Found find_access_network(const Maps& maps, std::string_view address) {
  if (maps.empty()) return std::nullopt;
  Search search(maps);
  search.try_key(std::string(address), Maps::Keys::whole);
  const char separator = address.find(':') == std::string_view::npos ? '.' : ':';
  while (!search.ended()) {
    const std::size_t end = address.rfind(separator);
    if (end == std::string_view::npos) break;
    address = address.substr(0, end);
    // "2001:db8::1": what is left of "::" is one key, not two.
    if (address.ends_with(separator)) continue;
    search.try_key(std::string(address), Maps::Keys::partial);
  }
  return search.take();
}

}  // namespace postrider::table
