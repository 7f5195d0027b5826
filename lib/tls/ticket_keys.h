// The keys of session tickets, as the keys process keeps them: one secret per period, one key per
// service derived from it, so that no service can read another's tickets.
//
// A period's key makes tickets for its period and is accepted for one more, so a ticket lives between
// one and two periods. Secrets are in memory only: a restart makes clients do full handshakes.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "lib/base/clock.h"
#include "lib/tls/context.h"

namespace postrider::tls {

class TicketKeyring {
 public:
  // `period` is at least a second.
  TicketKeyring(const Clock& clock, Seconds period);
  ~TicketKeyring();  // wipes the secrets
  TicketKeyring(const TicketKeyring&) = delete;
  TicketKeyring& operator=(const TicketKeyring&) = delete;

  // The present key of the service, and the one before; rotates as time has passed.
  std::vector<TicketKey> keys_for(std::string_view service);
  // Until the present key is replaced.
  Microseconds until_renewal() const;

 private:
  using Secret = std::array<unsigned char, 32>;
  void rotate();

  const Clock& clock_;
  Seconds period_;
  MonoTime began_;
  Secret present_{};
  Secret former_{};
};

}  // namespace postrider::tls
