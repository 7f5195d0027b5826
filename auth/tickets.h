// What a successful login leaves for the session that follows it: a secret word, good once, for a minute
// and for the service that the login was for.
#pragma once

#include <list>
#include <optional>
#include <string>

#include "lib/base/clock.h"
#include "lib/base/text.h"

namespace postrider::auth {

class Tickets {
 public:
  explicit Tickets(const Clock& clock) : clock_(clock) {}

  // 32 hexadecimal digits. With `capacity` tickets out the oldest becomes invalid.
  std::string issue(const std::string& user, const std::string& service);
  // The user; nullopt for what was never issued, is used, old, or of another service.
  std::optional<std::string> redeem(const std::string& ticket, const std::string& service);

  std::size_t size() const { return tickets_.size(); }
  static constexpr std::size_t capacity = 20'000;
  static constexpr Seconds lifetime{60};

 private:
  struct Entry {
    std::string ticket, user, service;
    MonoTime expires{};
  };
  void drop_old();

  const Clock& clock_;
  std::list<Entry> order_;  // oldest first
  StringMap<std::list<Entry>::iterator> tickets_;
};

}  // namespace postrider::auth
