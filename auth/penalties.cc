#include "auth/penalties.h"

#include <algorithm>

#include "lib/address/ip.h"

namespace postrider::auth {

namespace {

// What failures are counted by; "" for clients that are not told apart.
std::string counted_as(std::string_view text) {
  const auto address = address::IpAddress::parse(text);
  if (!address || address->is_loopback()) return "";
  if (address->is_v4()) return address->text();
  const auto bytes = address->bytes().first(8);
  return std::string(bytes.begin(), bytes.end());
}

}  // namespace

Penalties::Penalties(const Clock& clock, Microseconds least, Microseconds most)
    : clock_(clock), least_(least), most_(std::max(least, most)) {}

Microseconds Penalties::failed(std::string_view client_address) {
  const std::string key = counted_as(client_address);
  if (key.empty()) return least_;
  const MonoTime now = clock_.mono();
  auto found = entries_.find(key);
  if (found == entries_.end()) {
    recent_.push_front({key, 0, now});
    found = entries_.emplace(key, recent_.begin()).first;
    if (entries_.size() > capacity) {
      entries_.erase(entries_.find(recent_.back().address));
      recent_.pop_back();
    }
  } else {
    recent_.splice(recent_.begin(), recent_, found->second);
  }
  Entry& entry = *found->second;
  if (now - entry.last >= memory) entry.failures = 0;
  entry.last = now;
  const unsigned doublings = std::min(entry.failures, 20U);
  entry.failures = std::min(entry.failures + 1, 1000U);
  return std::min(least_ * (1U << doublings), most_);
}

void Penalties::succeeded(std::string_view client_address) {
  const auto found = entries_.find(counted_as(client_address));
  if (found == entries_.end()) return;
  if (--found->second->failures > 0) return;
  recent_.erase(found->second);
  entries_.erase(found);
}

}  // namespace postrider::auth
