#include <catch2/catch.hpp>

#include "lib/event/loop.h"

using namespace postrider;
using namespace postrider::event;

TEST_CASE("a loop whose task ended by a timer does not wait for descriptors that never become ready") {
  SystemClock clock;
  Loop loop(clock);
  loop.on_signal(64, [] {});  // something that keeps a turn of the loop waiting
  CHECK(loop.run_until_done(loop.sleep(Milliseconds(1))));
}
