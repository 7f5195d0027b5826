#include "qmgr/scheduler.h"

#include <catch2/catch.hpp>
#include <map>

#include "qmgr/message.h"

using namespace postrider;
using namespace postrider::qmgr;
using namespace std::chrono_literals;
using Health = protocol::DeliveryReport::Destination;

namespace {

std::vector<std::uint32_t> upto(std::uint32_t n) {
  std::vector<std::uint32_t> indices;
  for (std::uint32_t i = 0; i < n; ++i) indices.push_back(i);
  return indices;
}

Scheduler with(TransportSettings settings) {
  return Scheduler([settings](const std::string&) { return settings; });
}

}  // namespace

TEST_CASE("a letter to many never makes a letter to one wait longer than a turn") {
  ManualClock clock;
  Scheduler scheduler = with({.concurrency_limit = 1, .initial_concurrency = 1, .recipient_limit = 50});
  Message many, one;
  scheduler.add(many, "smtp", "example.org", upto(50'000), clock.mono());
  const auto first = scheduler.next(clock.mono());
  REQUIRE(first);
  CHECK(first->message == &many);
  CHECK(first->recipients.size() == 50);
  scheduler.add(one, "smtp", "example.org", upto(1), clock.mono());
  CHECK_FALSE(scheduler.next(clock.mono()));
  scheduler.finished(*first, Health::healthy, "", "", clock.mono());
  const auto second = scheduler.next(clock.mono());
  REQUIRE(second);
  CHECK(second->message == &many);  // it was in line before
  scheduler.finished(*second, Health::healthy, "", "", clock.mono());
  const auto third = scheduler.next(clock.mono());
  REQUIRE(third);
  CHECK(third->message == &one);
}

TEST_CASE("every recipient is assigned once, whatever the limits") {
  ManualClock clock;
  for (const unsigned limit : {1U, 7U, 50U, 1000U}) {
    Scheduler scheduler = with({.process_limit = 3, .recipient_limit = limit});
    Message a, b;
    scheduler.add(a, "smtp", "one.example", upto(101), clock.mono());
    scheduler.add(b, "smtp", "two.example", upto(13), clock.mono());
    std::map<std::pair<Message*, std::uint32_t>, int> seen;
    std::vector<Scheduler::Assignment> busy;
    while (true) {
      while (auto assignment = scheduler.next(clock.mono())) busy.push_back(*assignment);
      CHECK(busy.size() <= 3);
      if (busy.empty()) break;
      for (const std::uint32_t index : busy.back().recipients) ++seen[{busy.back().message, index}];
      scheduler.finished(busy.back(), Health::healthy, "", "", clock.mono());
      busy.pop_back();
    }
    CHECK(seen.size() == 114);
    for (const auto& [key, count] : seen) CHECK(count == 1);
    CHECK(scheduler.destinations() == 0);
  }
}

TEST_CASE("a window grows with success up to its limit") {
  ManualClock clock;
  Scheduler scheduler = with({.concurrency_limit = 8, .initial_concurrency = 2, .recipient_limit = 1});
  Message message;
  scheduler.add(message, "smtp", "example.org", upto(1000), clock.mono());
  std::deque<Scheduler::Assignment> busy;
  std::size_t widest = 0;
  while (true) {
    while (auto assignment = scheduler.next(clock.mono())) busy.push_back(*assignment);
    widest = std::max(widest, busy.size());
    if (busy.empty()) break;
    if (widest == 2) CHECK(busy.size() == 2);
    scheduler.finished(busy.front(), Health::healthy, "", "", clock.mono());
    busy.pop_front();
  }
  CHECK(widest == 8);
}

TEST_CASE("a dead destination gives back what waits, refuses more, and gets another chance") {
  ManualClock clock;
  Scheduler scheduler = with({.initial_concurrency = 1, .recipient_limit = 10, .dead_time = 300s});
  Message a, b;
  scheduler.add(a, "smtp", "dead.example", upto(25), clock.mono());
  scheduler.add(b, "smtp", "fine.example", upto(1), clock.mono());
  auto assignment = scheduler.next(clock.mono());
  REQUIRE(assignment);
  if (assignment->message == &b) {
    scheduler.finished(*assignment, Health::healthy, "", "", clock.mono());
    assignment = scheduler.next(clock.mono());
  }
  const auto refused = scheduler.finished(*assignment, Health::dead, "4.4.1", "timed out", clock.mono());
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].recipients.size() == 15);
  CHECK(refused[0].dsn == "4.4.1");
  CHECK(refused[0].reason == "delivery temporarily suspended: timed out");
  const auto again = scheduler.add(a, "smtp", "dead.example", upto(3), clock.mono());
  REQUIRE(again);
  CHECK(again->recipients.size() == 3);
  clock.advance(301s);
  CHECK_FALSE(scheduler.add(a, "smtp", "dead.example", upto(3), clock.mono()));
  CHECK(scheduler.next(clock.mono()));
}

TEST_CASE("flush revives the dead at once") {
  ManualClock clock;
  Scheduler scheduler = with({.initial_concurrency = 1});
  Message a;
  scheduler.add(a, "smtp", "dead.example", upto(1), clock.mono());
  const auto assignment = scheduler.next(clock.mono());
  scheduler.finished(*assignment, Health::dead, "4.4.1", "refused", clock.mono());
  CHECK(scheduler.add(a, "smtp", "dead.example", upto(1), clock.mono()));
  scheduler.revive();
  CHECK_FALSE(scheduler.add(a, "smtp", "dead.example", upto(1), clock.mono()));
}

TEST_CASE("a rate delay spaces deliveries to one destination and no other") {
  ManualClock clock;
  Scheduler scheduler =
      with({.concurrency_limit = 1, .initial_concurrency = 1, .recipient_limit = 1, .rate_delay = 250ms});
  Message a, b;
  scheduler.add(a, "smtp", "slow.example", upto(2), clock.mono());
  const auto first = scheduler.next(clock.mono());
  REQUIRE(first);
  scheduler.finished(*first, Health::healthy, "", "", clock.mono());
  CHECK_FALSE(scheduler.next(clock.mono()));
  CHECK(scheduler.next_change(clock.mono()) == clock.mono() + 250ms);
  scheduler.add(b, "smtp", "other.example", upto(1), clock.mono());
  const auto other = scheduler.next(clock.mono());
  REQUIRE(other);
  CHECK(other->message == &b);
  clock.advance(250ms);
  CHECK(scheduler.next(clock.mono()));
}

TEST_CASE("an agent that cannot be reached returns its mail and is left alone") {
  ManualClock clock;
  Scheduler scheduler = with({});
  Message a, b;
  scheduler.add(a, "uucp", "one", upto(2), clock.mono());
  scheduler.add(b, "uucp", "two", upto(3), clock.mono());
  const auto refused = scheduler.suspend("uucp", 60s, "4.3.0", "mail transport unavailable", clock.mono());
  CHECK(refused.size() == 2);
  CHECK(scheduler.add(a, "uucp", "one", upto(2), clock.mono()));
  clock.advance(61s);
  CHECK_FALSE(scheduler.add(a, "uucp", "one", upto(2), clock.mono()));
}

TEST_CASE("a withdrawn message is not assigned any more") {
  ManualClock clock;
  Scheduler scheduler = with({.recipient_limit = 1});
  Message a, b;
  scheduler.add(a, "smtp", "example.org", upto(10), clock.mono());
  scheduler.add(b, "smtp", "example.org", upto(1), clock.mono());
  scheduler.withdraw(a);
  const auto next = scheduler.next(clock.mono());
  REQUIRE(next);
  CHECK(next->message == &b);
  CHECK_FALSE(scheduler.next(clock.mono()));
}

TEST_CASE("with VERP each delivery has one recipient") {
  ManualClock clock;
  Scheduler scheduler = with({.recipient_limit = 50});
  Message message;
  message.envelope.verp_delimiters = "+=";
  scheduler.add(message, "smtp", "example.org", upto(3), clock.mono());
  for (std::uint32_t i = 0; i < 3; ++i) {
    const auto assignment = scheduler.next(clock.mono());
    REQUIRE(assignment);
    CHECK(assignment->recipients == std::vector<std::uint32_t>{i});
  }
  CHECK_FALSE(scheduler.next(clock.mono()));
}
