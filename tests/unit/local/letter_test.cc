#include "local/letter.h"

#include <catch2/catch.hpp>

#include "lib/event/loop.h"
#include "lib/io/ended.h"
#include "lib/os/socket.h"

using namespace postrider;
using namespace postrider::local;

TEST_CASE("a delivery that a stop cut short is not reported, one that did something is") {
  SystemClock clock;
  event::Loop loop(clock);
  auto sockets = *os::socket_pair();
  ipc::Channel agent(loop, std::move(sockets.first));
  ipc::Channel qmgr(loop, std::move(sockets.second));
  event::StopSource stop;
  protocol::DeliveryReport untried, partly;
  untried.outcomes = {deferred("4.3.0", "stopping"), deferred("4.3.0", "stopping")};
  partly.outcomes = {deferred("4.3.0", "stopping"), delivered("delivered to maildir")};

  answer_unless_stopped(agent, untried, stop.token());  // not stopping: a deferral like any other
  stop.stop();
  CHECK_THROWS_AS(answer_unless_stopped(agent, untried, stop.token()), io::Ended);
  answer_unless_stopped(agent, partly, stop.token());

  const auto receive = [&] {
    return loop.run_until_done(qmgr.expect<protocol::DeliveryReport>(loop.after(Seconds{10})));
  };
  CHECK(receive().outcomes[1].kind == RecipientOutcome::Kind::deferred);
  CHECK(receive().outcomes[1].kind == RecipientOutcome::Kind::delivered);
}
