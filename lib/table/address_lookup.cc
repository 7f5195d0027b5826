#include "lib/table/address_lookup.h"

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
    const std::string quoted = quote_local_part(local_part);
    try_key(quoted + at_domain, keys, extension);
    if (quoted != local_part) try_key(std::string(local_part) + at_domain, keys, extension);
  }

  void try_local(std::string_view local_part, Maps::Keys keys, std::string_view extension = {}) {
    const std::string quoted = quote_local_part(local_part);
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

bool is_atom_character(char c) {
  constexpr std::string_view specials = "()<>[]:;@\\,\"";
  const auto byte = static_cast<unsigned char>(c);
  return byte > 0x20 && byte != 0x7f && specials.find(c) == std::string_view::npos;
}

}  // namespace

SplitUser split_extension(std::string_view local_part, std::string_view delimiters) {
  if (delimiters.empty()) return {local_part, {}};
  for (const std::string_view whole : {"postmaster", "mailer-daemon", "double-bounce"})
    if (iequals(local_part, whole)) return {local_part, {}};
  if (delimiters.find('-') != std::string_view::npos &&
      (istarts_with(local_part, "owner-") ||
       (local_part.size() > 8 && iequals(local_part.substr(local_part.size() - 8), "-request"))))
    return {local_part, {}};
  const std::size_t at = local_part.find_first_of(delimiters);
  if (at == std::string_view::npos || at == 0) return {local_part, {}};
  return {local_part.substr(0, at), local_part.substr(at)};
}

SplitAddress split_address(std::string_view address) {
  const std::size_t at = address.rfind('@');
  if (at == std::string_view::npos) return {address, std::nullopt};
  return {address.substr(0, at), address.substr(at + 1)};
}

std::string quote_local_part(std::string_view local_part) {
  // Dot-atom: atoms with single dots between.
  bool plain = !local_part.empty() && local_part.front() != '.' && local_part.back() != '.' &&
               local_part.find("..") == std::string_view::npos;
  for (const char c : local_part) plain = plain && is_atom_character(c);
  if (plain) return std::string(local_part);
  std::string quoted = "\"";
  for (const char c : local_part) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

Found find_address(const Maps& maps, std::string_view address, const AddressRules& rules,
                   bool only_whole_addresses) {
  if (maps.empty()) return std::nullopt;
  const SplitAddress parts = split_address(address);
  const SplitUser user = split_extension(parts.local_part, rules.delimiters);
  Search search(maps);
  if (!parts.domain) {
    search.try_local(parts.local_part, Maps::Keys::whole);
    if (!user.extension.empty()) search.try_local(user.user, Maps::Keys::partial, user.extension);
    return search.take();
  }
  search.try_address(parts.local_part, *parts.domain, Maps::Keys::whole);
  if (!user.extension.empty())
    search.try_address(user.user, *parts.domain, Maps::Keys::partial, user.extension);
  if (!only_whole_addresses && !search.ended() && rules.is_local && rules.is_local(*parts.domain)) {
    search.try_local(parts.local_part, Maps::Keys::partial);
    if (!user.extension.empty()) search.try_local(user.user, Maps::Keys::partial, user.extension);
  }
  search.try_key("@" + std::string(*parts.domain), Maps::Keys::partial);
  return search.take();
}

Found find_alias(const Maps& maps, std::string_view local_part, const AddressRules& rules) {
  if (maps.empty()) return std::nullopt;
  const SplitUser user = split_extension(local_part, rules.delimiters);
  Search search(maps);
  search.try_key(std::string(local_part), Maps::Keys::whole);
  if (!user.extension.empty()) search.try_key(std::string(user.user), Maps::Keys::whole, user.extension);
  return search.take();
}

Found find_transport(const Maps& maps, std::string_view address, const AddressRules& rules, Parents parents) {
  if (maps.empty()) return std::nullopt;
  const SplitAddress parts = split_address(address);
  const SplitUser user = split_extension(parts.local_part, rules.delimiters);
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
  const SplitUser user = split_extension(parts.local_part, rules.delimiters);
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
