// How long the answer to a failed login is held back: longer with every recent failure from the same
// address, so that guessing is slow and a mistyped password is not.
//
// IPv6 clients count by /64. Addresses of this machine never wait longer than the least delay: behind
// them are proxies and web mail, many users each.
#pragma once

#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "lib/base/clock.h"
#include "lib/base/text.h"

namespace postrider::auth {

class Penalties {
 public:
  Penalties(const Clock& clock, Microseconds least, Microseconds most);

  // Counts a failure and says how long to wait.
  Microseconds failed(std::string_view client_address);
  // One failure less counts: a user behind a shared address is no guesser, and one good account does not
  // wipe out a thousand guesses.
  void succeeded(std::string_view client_address);

  std::size_t size() const { return entries_.size(); }
  static constexpr std::size_t capacity = 20'000;  // the address quiet for longest is forgotten first
  static constexpr Seconds memory{900};            // failures are forgotten this long after the last one

 private:
  struct Entry {
    std::string address;
    unsigned failures = 0;
    MonoTime last{};
  };
  const Clock& clock_;
  Microseconds least_, most_;
  std::list<Entry> recent_;  // latest failure first
  StringMap<std::list<Entry>::iterator> entries_;
};

}  // namespace postrider::auth
