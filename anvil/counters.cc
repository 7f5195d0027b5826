#include "anvil/counters.h"

#include <ctime>

#include <fmt/format.h>

namespace postrider::anvil {

namespace {

std::string key_of(std::string_view service, std::string_view client) {
  return fmt::format("{}:{}", service, client);
}

// "Jan  1 00:00:00" in local time.
std::string moment(WallTime at) {
  const std::time_t seconds = std::chrono::floor<Seconds>(at.time_since_epoch()).count();
  std::tm local{};
  localtime_r(&seconds, &local);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%b %e %H:%M:%S", &local);
  return text.data();
}

}  // namespace

Counters::Counters(const Clock& clock, Seconds unit, std::size_t most_clients)
    : clock_(clock), unit_(unit), most_clients_(most_clients) {}

void Counters::note(Peak& peak, std::uint32_t value, const std::string& who) {
  if (value > peak.value) peak = {value, who, clock_.wall()};
}

void Counters::forget_idle() {
  const MonoTime now = clock_.mono();
  while (!idle_.empty()) {
    const auto oldest = clients_.find(*idle_.front());
    if (clients_.size() < most_clients_ && now - oldest->second.last_act <= unit_) return;
    idle_.pop_front();
    clients_.erase(oldest);
  }
}

Counters::Clients::iterator Counters::find_or_make(const std::string& key) {
  auto found = clients_.find(key);
  if (found == clients_.end()) {
    forget_idle();
    found = clients_.try_emplace(key).first;
    found->second.window = clock_.mono();
    found->second.idle = idle_.insert(idle_.end(), &found->first);
    note(peak_size_, static_cast<std::uint32_t>(clients_.size()), {});
  } else if (found->second.open == 0) {
    idle_.splice(idle_.end(), idle_, found->second.idle);
  }
  found->second.last_act = clock_.mono();
  return found;
}

std::uint32_t Counters::increase(Clients::iterator client, std::size_t which) {
  const MonoTime now = clock_.mono();
  if (now - client->second.window > unit_) {
    client->second.window = now;
    client->second.rate = {};
  }
  std::uint32_t& rate = client->second.rate[which];
  if (rate < UINT32_MAX) ++rate;
  note(peak_rate_[which], rate, client->first);
  return rate;
}

protocol::Counts Counters::connect(Owner owner, std::string_view service, std::string_view client) {
  const std::string key = key_of(service, client);
  const auto found = find_or_make(key);
  if (found->second.open == 0) idle_.erase(found->second.idle);
  ++found->second.open;
  ++owners_[owner].try_emplace(key, 0).first->second;
  note(peak_open_, found->second.open, key);
  return {.connections = found->second.open, .rate = increase(found, 0)};
}

void Counters::close(const std::string& key, std::uint32_t connections) {
  const auto found = clients_.find(key);
  if (found == clients_.end() || found->second.open < connections) return;
  found->second.open -= connections;
  found->second.last_act = clock_.mono();
  if (found->second.open == 0) found->second.idle = idle_.insert(idle_.end(), &found->first);
}

void Counters::unconnect(Owner owner, std::string_view service, std::string_view client) {
  const auto its = owners_.find(owner);
  if (its == owners_.end()) return;
  const auto open = its->second.find(key_of(service, client));
  if (open == its->second.end()) return;
  close(open->first, 1);
  if (--open->second == 0) its->second.erase(open);
  if (its->second.empty()) owners_.erase(its);
  forget_idle();
}

protocol::Counts Counters::count(protocol::CountEvent::Event event, std::string_view service,
                                 std::string_view client) {
  const auto found = find_or_make(key_of(service, client));
  return {.connections = found->second.open, .rate = increase(found, 1 + static_cast<std::size_t>(event))};
}

void Counters::forget_owner(Owner owner) {
  const auto its = owners_.find(owner);
  if (its == owners_.end()) return;
  for (const auto& [key, connections] : its->second) close(key, connections);
  owners_.erase(its);
}

std::vector<std::string> Counters::take_statistics() {
  constexpr std::array<std::string_view, rates> names = {"connection", "message", "recipient", "newtls",
                                                         "auth"};
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < rates; ++i) {
    const Peak& peak = peak_rate_[i];
    if (peak.value > 0)
      lines.push_back(fmt::format("statistics: max {} rate {}/{}s for ({}) at {}", names[i], peak.value,
                                  unit_.count(), peak.who, moment(peak.at)));
    if (i == 0 && peak_open_.value > 0)
      lines.push_back(fmt::format("statistics: max connection count {} for ({}) at {}", peak_open_.value,
                                  peak_open_.who, moment(peak_open_.at)));
  }
  if (peak_size_.value > 0)
    lines.push_back(
        fmt::format("statistics: max cache size {} at {}", peak_size_.value, moment(peak_size_.at)));
  peak_rate_ = {};
  peak_open_ = peak_size_ = {};
  return lines;
}

}  // namespace postrider::anvil
