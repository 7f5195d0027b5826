#include "auth/tickets.h"

#include "lib/tls/digest.h"

namespace postrider::auth {

void Tickets::drop_old() {
  while (!order_.empty() && (order_.front().expires <= clock_.mono() || order_.size() > capacity)) {
    tickets_.erase(tickets_.find(order_.front().ticket));
    order_.pop_front();
  }
}

std::string Tickets::issue(const std::string& user, const std::string& service) {
  const std::string ticket = hex_encode(tls::random_bytes(16));
  order_.push_back({ticket, user, service, clock_.mono() + lifetime});
  tickets_.emplace(ticket, std::prev(order_.end()));
  drop_old();
  return ticket;
}

std::optional<std::string> Tickets::redeem(const std::string& ticket, const std::string& service) {
  drop_old();
  const auto found = tickets_.find(ticket);
  if (found == tickets_.end()) return std::nullopt;
  // Used up even when it was for another service: that is no mistake that a program of ours makes.
  const Entry entry = *found->second;
  order_.erase(found->second);
  tickets_.erase(found);
  if (entry.service != service) return std::nullopt;
  return entry.user;
}

}  // namespace postrider::auth
