#include "master/spawn_policy.h"

#include <csignal>

#include <catch2/catch.hpp>

using namespace postrider;
using namespace postrider::master;
using Verdict = SpawnPolicy::Verdict;

namespace {

os::ChildEnd exited(pid_t pid, int status = 0) { return {.pid = pid, .exit_status = status}; }
os::ChildEnd killed(pid_t pid) { return {.pid = pid, .signal = SIGKILL}; }

}  // namespace

TEST_CASE("a service gets a process when none is free, up to its limit") {
  ManualClock clock;
  SpawnPolicy policy(clock, 2, Seconds(60));
  CHECK(policy.decide() == Verdict::spawn);
  policy.spawned(10);
  CHECK(policy.decide() == Verdict::served);
  policy.set_available(10, false);
  CHECK(policy.decide() == Verdict::spawn);
  policy.spawned(11);
  policy.set_available(11, false);
  CHECK(policy.decide() == Verdict::at_limit);
  policy.set_available(10, true);
  policy.set_available(10, true);  // told twice, counted once
  CHECK(policy.available() == 1);
  CHECK(policy.decide() == Verdict::served);
  CHECK(policy.ended(exited(11)).known);
  CHECK(policy.processes() == 1);
}

TEST_CASE("a limit of zero is no limit") {
  ManualClock clock;
  SpawnPolicy policy(clock, 0, Seconds(60));
  for (pid_t pid = 1; pid <= 500; ++pid) {
    REQUIRE(policy.decide() == Verdict::spawn);
    policy.spawned(pid);
    policy.set_available(pid, false);
  }
}

TEST_CASE("processes that die at start-up make pauses that double up to the longest") {
  ManualClock clock;
  SpawnPolicy policy(clock, 100, Seconds(60));
  for (const int expected : {1, 2, 4, 8, 16, 32, 60, 60}) {
    REQUIRE(policy.decide() == Verdict::spawn);
    policy.spawned(7);
    const auto ending = policy.ended(exited(7, 1));
    CHECK(ending.abnormal);
    REQUIRE(ending.pause);
    CHECK(*ending.pause == Seconds(expected));
    CHECK(policy.decide() == Verdict::paused);
    clock.advance(*ending.pause - Microseconds(1));
    CHECK(policy.decide() == Verdict::paused);
    clock.advance(Microseconds(1));
  }
  policy.spawned(8);
  policy.set_available(8, true);
  clock.advance(Seconds(10));
  CHECK_FALSE(policy.ended(killed(8)).pause);
  policy.spawned(9);
  CHECK(*policy.ended(killed(9)).pause == Seconds(1));
}

TEST_CASE("many processes that die of one cause make one pause") {
  ManualClock clock;
  SpawnPolicy policy(clock, 100, Seconds(60));
  for (pid_t pid = 1; pid <= 20; ++pid) policy.spawned(pid);
  for (pid_t pid = 1; pid <= 20; ++pid) CHECK(*policy.ended(killed(pid)).pause == Seconds(1));
}

TEST_CASE("a process killed at work is replaced at once, one that keeps crashing is not") {
  ManualClock clock;
  SpawnPolicy policy(clock, 100, Seconds(60));
  for (pid_t pid = 1; pid <= 4; ++pid) {
    policy.spawned(pid);
    policy.set_available(pid, false);
    const auto ending = policy.ended(killed(pid));
    CHECK(ending.abnormal);
    CHECK_FALSE(ending.pause);
    CHECK(policy.decide() == Verdict::spawn);
  }
  policy.spawned(5);
  policy.set_available(5, false);
  CHECK(policy.ended(killed(5)).pause);
  clock.advance(Seconds(20));
  policy.spawned(6);
  policy.set_available(6, false);
  CHECK_FALSE(policy.ended(killed(6)).pause);
}

TEST_CASE("a process that ends by itself makes no pause") {
  ManualClock clock;
  SpawnPolicy policy(clock, 1, Seconds(60));
  policy.spawned(5);
  const auto ending = policy.ended(exited(5));
  CHECK(ending.known);
  CHECK_FALSE(ending.abnormal);
  CHECK_FALSE(ending.pause);
  CHECK(policy.decide() == Verdict::spawn);
  CHECK_FALSE(policy.ended(exited(5)).known);
}

TEST_CASE("a program that cannot be executed makes pauses too") {
  ManualClock clock;
  SpawnPolicy policy(clock, 1, Seconds(3));
  CHECK(policy.spawn_failed() == Seconds(1));
  clock.advance(Seconds(1));
  CHECK(policy.spawn_failed() == Seconds(2));
  clock.advance(Seconds(2));
  CHECK(policy.spawn_failed() == Seconds(3));
  policy.change_limits(1, Seconds(60));  // a reload tries again at once
  CHECK(policy.decide() == Verdict::spawn);
  CHECK(policy.spawn_failed() == Seconds(1));
}

TEST_CASE("processes told to finish are counted until they end and never free again") {
  ManualClock clock;
  SpawnPolicy policy(clock, 1, Seconds(60));
  policy.spawned(5);
  policy.set_all_finishing();
  CHECK(policy.available() == 0);
  policy.set_available(5, true);  // a report that crossed the order
  CHECK(policy.available() == 0);
  CHECK(policy.decide() == Verdict::at_limit);
  CHECK_FALSE(policy.ended(killed(5)).pause);
  CHECK(policy.decide() == Verdict::spawn);
}

TEST_CASE("the warning of the process limit comes once in a thousand seconds") {
  ManualClock clock;
  SpawnPolicy policy(clock, 1, Seconds(60));
  CHECK_FALSE(policy.under_stress());
  CHECK(policy.limit_warning_due());
  CHECK_FALSE(policy.limit_warning_due());
  CHECK(policy.under_stress());
  clock.advance(Seconds(999));
  CHECK_FALSE(policy.limit_warning_due());
  clock.advance(Seconds(1));
  CHECK(policy.limit_warning_due());
  clock.advance(Seconds(1000));
  CHECK_FALSE(policy.under_stress());
}
