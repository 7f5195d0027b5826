#include "anvil/counters.h"

#include <fmt/format.h>
#include <catch2/catch.hpp>

using namespace postrider;
using namespace postrider::anvil;
using Event = protocol::CountEvent::Event;

TEST_CASE("open connections of a client are counted across processes") {
  ManualClock clock;
  Counters counters(clock, Seconds(60));
  CHECK(counters.connect(1, "smtp", "192.0.2.1").connections == 1);
  CHECK(counters.connect(2, "smtp", "192.0.2.1").connections == 2);
  CHECK(counters.connect(1, "smtp", "192.0.2.2").connections == 1);
  CHECK(counters.connect(1, "submission", "192.0.2.1").connections == 1);
  counters.unconnect(1, "smtp", "192.0.2.1");
  CHECK(counters.count(Event::message, "smtp", "192.0.2.1").connections == 1);
}

TEST_CASE("a process ends only connections of its own, and each once") {
  ManualClock clock;
  Counters counters(clock, Seconds(60));
  counters.connect(1, "smtp", "192.0.2.1");
  counters.unconnect(2, "smtp", "192.0.2.1");
  counters.unconnect(1, "smtp", "192.0.2.9");
  CHECK(counters.connect(1, "smtp", "192.0.2.1").connections == 2);
  for (int i = 0; i < 5; ++i) counters.unconnect(1, "smtp", "192.0.2.1");
  CHECK(counters.connect(1, "smtp", "192.0.2.1").connections == 1);
}

TEST_CASE("rates count within a time unit and begin again after it") {
  ManualClock clock;
  Counters counters(clock, Seconds(60));
  CHECK(counters.connect(1, "smtp", "a").rate == 1);
  CHECK(counters.connect(1, "smtp", "a").rate == 2);
  CHECK(counters.count(Event::message, "smtp", "a").rate == 1);
  CHECK(counters.count(Event::recipient, "smtp", "a").rate == 1);
  CHECK(counters.count(Event::recipient, "smtp", "a").rate == 2);
  CHECK(counters.count(Event::new_tls, "smtp", "a").rate == 1);
  CHECK(counters.count(Event::auth, "smtp", "a").rate == 1);
  CHECK(counters.count(Event::recipient, "smtp", "b").rate == 1);
  clock.advance(Seconds(60));
  CHECK(counters.count(Event::recipient, "smtp", "a").rate == 3);
  clock.advance(Microseconds(1));
  CHECK(counters.count(Event::recipient, "smtp", "a").rate == 1);
  CHECK(counters.connect(1, "smtp", "a").rate == 1);
  CHECK(counters.connect(1, "smtp", "a").connections == 4);
}

TEST_CASE("leaving and coming back does not reset a rate") {
  ManualClock clock;
  Counters counters(clock, Seconds(60));
  for (std::uint32_t i = 1; i <= 10; ++i) {
    CHECK(counters.connect(1, "smtp", "a").rate == i);
    counters.unconnect(1, "smtp", "a");
    clock.advance(Seconds(5));
  }
}

TEST_CASE("a process that vanishes takes its connections with it") {
  ManualClock clock;
  Counters counters(clock, Seconds(60));
  for (int i = 0; i < 3; ++i) counters.connect(1, "smtp", "a");
  counters.connect(2, "smtp", "a");
  counters.forget_owner(1);
  CHECK(counters.count(Event::message, "smtp", "a").connections == 1);
  counters.forget_owner(1);
  counters.forget_owner(3);
  CHECK(counters.count(Event::message, "smtp", "a").connections == 1);
}

TEST_CASE("clients that are gone are forgotten after one time unit") {
  ManualClock clock;
  Counters counters(clock, Seconds(60));
  for (int i = 0; i < 1000; ++i) {
    counters.connect(1, "smtp", std::to_string(i));
    if (i > 0) counters.unconnect(1, "smtp", std::to_string(i));
  }
  CHECK(counters.clients() == 1000);
  clock.advance(Seconds(61));
  counters.connect(1, "smtp", "new");
  CHECK(counters.clients() == 2);
  CHECK(counters.connect(1, "smtp", "0").connections == 2);
}

TEST_CASE("any number of addresses takes a bounded amount of memory") {
  ManualClock clock;
  Counters counters(clock, Seconds(60), 100);
  counters.connect(1, "smtp", "stays");
  for (int i = 0; i < 100'000; ++i) counters.count(Event::auth, "smtp", std::to_string(i));
  CHECK(counters.clients() == 100);
  CHECK(counters.connect(1, "smtp", "stays").connections == 2);
  // The latest are known, the earliest not.
  CHECK(counters.count(Event::auth, "smtp", "99999").rate == 2);
  CHECK(counters.count(Event::auth, "smtp", "0").rate == 1);
}

TEST_CASE("the highest values are reported as Postfix does, once") {
  setenv("TZ", "UTC", 1);
  tzset();
  ManualClock clock;
  Counters counters(clock, Seconds(60));
  CHECK(counters.take_statistics().empty());
  counters.connect(1, "smtp", "192.0.2.1");
  clock.advance(Seconds(10));
  counters.connect(1, "smtp", "192.0.2.1");
  counters.connect(1, "smtp", "192.0.2.2");
  clock.advance(Seconds(10));
  for (int i = 0; i < 3; ++i) counters.count(Event::auth, "submission", "192.0.2.3");
  CHECK(counters.take_statistics() ==
        std::vector<std::string>{
            "statistics: max connection rate 2/60s for (smtp:192.0.2.1) at Jan  1 00:00:10",
            "statistics: max connection count 2 for (smtp:192.0.2.1) at Jan  1 00:00:10",
            "statistics: max auth rate 3/60s for (submission:192.0.2.3) at Jan  1 00:00:20",
            "statistics: max cache size 3 at Jan  1 00:00:20"});
  CHECK(counters.take_statistics().empty());
}
