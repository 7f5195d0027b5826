#include "lib/dns/hosts.h"

#include <algorithm>

#include "lib/os/files.h"

namespace postrider::dns {

namespace {
constexpr std::size_t most_names = 100'000;
constexpr std::size_t most_bytes = 16U << 20;
}  // namespace

Hosts Hosts::parse(std::string_view text) {
  Hosts hosts;
  for (std::string_view line : split(text, '\n')) {
    line = line.substr(0, line.find('#'));
    const std::vector<std::string_view> words = split_any(line, " \t\r");
    if (words.size() < 2) continue;
    const auto address = address::IpAddress::parse(words.front());
    if (!address) continue;
    hosts.by_address_.try_emplace(*address, lower(words[1]));
    for (std::size_t i = 1; i < words.size() && hosts.by_name_.size() < most_names; ++i) {
      std::vector<address::IpAddress>& known = hosts.by_name_[lower(words[i])];
      if (std::ranges::find(known, *address) == known.end()) known.push_back(*address);
    }
  }
  return hosts;
}

Result<Hosts> Hosts::read(const std::string& path) {
  Result<std::string> text = os::read_file(os::system_files(), path, most_bytes);
  if (!text && text.error().is(Trouble::not_found)) return Hosts();
  if (!text) return fail(text.error());
  return parse(*text);
}

std::vector<address::IpAddress> Hosts::addresses(std::string_view name) const {
  while (name.ends_with('.')) name.remove_suffix(1);
  const auto found = by_name_.find(lower(name));
  return found == by_name_.end() ? std::vector<address::IpAddress>() : found->second;
}

std::string Hosts::name(const address::IpAddress& address) const {
  const auto found = by_address_.find(address);
  return found == by_address_.end() ? std::string() : found->second;
}

}  // namespace postrider::dns
