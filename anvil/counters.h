// How many connections each client of each service has open, and how often it does what.
//
// Pure bookkeeping on a handed-in clock, used by the server alone. Clients are strangers and may have
// any number of addresses: a client that is gone is forgotten one time unit after its last act, and the
// longest idle one earlier when there are too many. Whoever reported a connection (its owner, a
// process) may vanish; forget_owner() ends what it had open.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/protocol/anvil.h"

namespace postrider::anvil {

using Owner = std::int64_t;  // a process id

class Counters {
 public:
  // `unit` is what rates are counted over: they begin at zero again when it is over. The clock outlives
  // this object.
  Counters(const Clock& clock, Seconds unit, std::size_t most_clients = 200'000);

  protocol::Counts connect(Owner owner, std::string_view service, std::string_view client);
  // More of these than there were connects of this owner are ignored.
  void unconnect(Owner owner, std::string_view service, std::string_view client);
  // The rate in the answer is that of the event.
  protocol::Counts count(protocol::CountEvent::Event event, std::string_view service,
                         std::string_view client);
  void forget_owner(Owner owner);

  // The highest values since the last call, each as Postfix logs it; empty when nothing happened.
  std::vector<std::string> take_statistics();

  std::size_t clients() const { return clients_.size(); }

 private:
  // The rates of one client: connections, then the events in the protocol's order.
  static constexpr std::size_t rates = 5;
  struct Client {
    std::uint32_t open = 0;
    std::array<std::uint32_t, rates> rate{};
    MonoTime window{};  // when the rates began
    MonoTime last_act{};
    std::list<const std::string*>::iterator idle;  // place in idle_ while nothing is open
  };
  // A highest value, who had it and when.
  struct Peak {
    std::uint32_t value = 0;
    std::string who;
    WallTime at{};
  };
  using Clients = StringMap<Client>;

  Clients::iterator find_or_make(const std::string& key);
  std::uint32_t increase(Clients::iterator client, std::size_t which);
  void close(const std::string& key, std::uint32_t connections);
  void forget_idle();
  void note(Peak& peak, std::uint32_t value, const std::string& who);

  const Clock& clock_;
  const Seconds unit_;
  const std::size_t most_clients_;
  Clients clients_;                     // by "service:client"
  std::list<const std::string*> idle_;  // keys of clients_ with nothing open, longest idle first
  std::unordered_map<Owner, StringMap<std::uint32_t>> owners_;  // what each has open
  Peak peak_open_;
  Peak peak_size_;
  std::array<Peak, rates> peak_rate_;
};

}  // namespace postrider::anvil
