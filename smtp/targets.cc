#include "smtp/targets.h"

#include <algorithm>
#include <iterator>
#include <list>
#include <utility>

#include <fmt/core.h>

namespace postrider::smtp_client {

std::string Target::label() const { return fmt::format("{}[{}]", host, path.empty() ? ip.text() : path); }

std::string Target::relay() const { return path.empty() ? fmt::format("{}:{}", label(), port) : label(); }

std::vector<Target> in_order(std::vector<Target> targets, const Ordering& ordering, std::mt19937_64& random) {
  if (ordering.randomize) std::ranges::shuffle(targets, random);
  const auto rank = [&](const Target& target) {
    if (ordering.preference == AddressPreference::any) return 0;
    return target.ip.is_v4() == (ordering.preference == AddressPreference::ipv4) ? 0 : 1;
  };
  const auto key = [&](const Target& target) { return std::pair(target.preference, rank(target)); };
  // A list sorts stably in place.
  std::list<Target> sorted(std::move_iterator(targets.begin()), std::move_iterator(targets.end()));
  sorted.sort([&](const Target& a, const Target& b) { return key(a) < key(b); });
  targets.assign(std::move_iterator(sorted.begin()), std::move_iterator(sorted.end()));
  if (ordering.limit == 0 || targets.size() <= ordering.limit) return targets;
  if (ordering.balance && ordering.limit > 1) {
    // When all that stays is of one protocol, the last place goes to the best address of the other one.
    const bool v4 = targets.front().ip.is_v4();
    const auto cut = targets.begin() + static_cast<std::ptrdiff_t>(ordering.limit);
    const auto other = [&](const Target& target) { return target.ip.is_v4() != v4; };
    if (std::none_of(targets.begin(), cut, other)) {
      const auto found = std::find_if(cut, targets.end(), other);
      if (found != targets.end()) std::iter_swap(cut - 1, found);
    }
  }
  targets.resize(ordering.limit);
  return targets;
}

std::vector<Target> before_self(std::vector<Target> targets, std::span<const address::IpAddress> own,
                                bool& found_self) {
  found_self = false;
  std::uint32_t limit = UINT32_MAX;
  for (const Target& target : targets) {
    const bool self =
        target.ip.is_any() || target.ip.is_loopback() || std::ranges::find(own, target.ip) != own.end();
    if (!self) continue;
    found_self = true;
    limit = std::min<std::uint32_t>(limit, target.preference);
  }
  std::erase_if(targets, [&](const Target& target) { return target.preference >= limit; });
  return targets;
}

}  // namespace postrider::smtp_client
