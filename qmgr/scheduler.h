// Decides what is tried next: which recipients of which message go to which destination now.
//
// A transport (a delivery agent) has destinations (next hops), a destination has jobs (the recipients of
// one message that go there). Transports limit deliveries in all; a destination's window grows with
// success and shrinks with failure; destinations take turns, and so do the messages within one, each
// with at most recipient_limit recipients a turn: a letter to fifty thousand never makes a letter to
// one wait longer than a turn. Pure: no I/O, time is handed in.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/protocol/delivery.h"

namespace postrider::qmgr {

struct Message;

struct TransportSettings {
  unsigned process_limit = 100;     // deliveries under way in all
  unsigned concurrency_limit = 20;  // to one destination
  unsigned initial_concurrency = 5;
  unsigned recipient_limit = 50;  // in one delivery
  double positive_feedback = 1;   // negative: that much divided by the window
  double negative_feedback = 1;
  double failed_cohort_limit = 1;  // windows full of failures until the destination is dead
  Milliseconds rate_delay{0};      // between deliveries to one destination
  Microseconds dead_time{Seconds{300}};
};

class Scheduler {
 public:
  // `settings` is asked once for each transport that mail goes to.
  explicit Scheduler(std::function<TransportSettings(const std::string&)> settings);
  ~Scheduler();

  struct Destination;
  // One delivery to be made. Give it back with finished(), exactly once.
  struct Assignment {
    Message* message = nullptr;
    std::string transport;
    std::string nexthop;
    std::vector<std::uint32_t> recipients;  // indices in the message's envelope
    Destination* destination = nullptr;
  };

  // What is not going to be tried, because the destination is dead.
  struct Refused {
    Message* message = nullptr;
    std::vector<std::uint32_t> recipients;
    std::string dsn, reason;
  };

  // The message outlives its jobs. A dead destination refuses at once.
  std::optional<Refused> add(Message& message, const std::string& transport, const std::string& nexthop,
                             std::vector<std::uint32_t> recipients, MonoTime now);

  // The next delivery that may begin now; nullopt when all must wait.
  std::optional<Assignment> next(MonoTime now);

  // The delivery ended. When this made the destination dead, everything that waits for it is returned.
  std::vector<Refused> finished(const Assignment& assignment, protocol::DeliveryReport::Destination health,
                                std::string_view dsn, std::string_view reason, MonoTime now);

  // The agent itself cannot be reached: nothing is given to it for `time`; what waits is returned.
  std::vector<Refused> suspend(const std::string& transport, Microseconds time, std::string_view dsn,
                               std::string_view reason, MonoTime now);

  // Drops what has not been assigned of a message.
  void withdraw(const Message& message);

  // Dead destinations and suspended agents get another chance now (flush).
  void revive();

  // The earliest time at which next() could say something new without a finished(); no_deadline if none.
  MonoTime next_change(MonoTime now) const;

  // Forgets destinations without mail whose past no longer matters. To be called now and then.
  void tidy(MonoTime now);

  std::size_t destinations() const;  // known now

 private:
  struct Job;
  struct Transport;
  Transport& transport(const std::string& name);
  Destination& destination(Transport& transport, const std::string& nexthop);
  std::vector<Refused> refuse_all(Destination& destination);
  void forget_if_idle(Destination& destination, MonoTime now);

  std::function<TransportSettings(const std::string&)> settings_;
  StringMap<std::unique_ptr<Transport>> transports_;
  std::vector<Transport*> turn_;  // transports in order of creation; next_turn_ goes round
  std::size_t next_turn_ = 0;
};

}  // namespace postrider::qmgr
