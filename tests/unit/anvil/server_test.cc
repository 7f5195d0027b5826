#include "anvil/server.h"

#include <catch2/catch.hpp>

#include "lib/base/log.h"
#include "lib/config/values.h"
#include "lib/event/scope.h"
#include "lib/os/socket.h"

using namespace postrider;
using namespace postrider::anvil;
using protocol::Counts;

namespace {

struct Rig {
  MemoryLog log;
  ManualClock clock;
  event::Loop loop{clock};
  event::StopSource stop;
  event::StopSource drain;
  AnvilConfig config;

  Rig() {
    config::Values values = config::Values::of_text("");
    REQUIRE(config::load(values, {&config}).has_value());
  }
};

event::Task<Counts> connect(ipc::Channel& channel, std::string client) {
  protocol::Connect question{.service = "smtp", .client = std::move(client)};
  Counts counts = co_await channel.call<Counts>(question, no_deadline);
  co_return counts;
}

// Two connections of one process; its clients live until both are closed.
event::Task<> conversation(Rig& rig, Server& server, std::vector<std::uint32_t>& seen) {
  event::TaskScope scope(rig.loop);
  auto first = *os::socket_pair();
  auto second = *os::socket_pair();
  scope.spawn(server.serve(std::move(first.second)));
  scope.spawn(server.serve(std::move(second.second)));
  {
    auto one = std::make_unique<ipc::Channel>(rig.loop, std::move(first.first));
    ipc::Channel two(rig.loop, std::move(second.first));
    Counts counts = co_await connect(*one, "192.0.2.1");
    seen.push_back(counts.connections);
    counts = co_await connect(two, "192.0.2.1");
    seen.push_back(counts.connections);
    // What one connection began another may end; it is not answered.
    two.put(protocol::Unconnect{.service = "smtp", .client = "192.0.2.1"});
    one.reset();
    counts = co_await connect(two, "192.0.2.1");
    seen.push_back(counts.connections);
    seen.push_back(counts.rate);
  }
  co_await scope.join();
  auto third = *os::socket_pair();
  scope.spawn(server.serve(std::move(third.second)));
  {
    ipc::Channel three(rig.loop, std::move(third.first));
    const Counts counts = co_await connect(three, "192.0.2.1");
    seen.push_back(counts.connections);
  }
  co_await scope.join();
}

event::Task<> nonsense(Rig& rig, Server& server, bool& closed) {
  event::TaskScope scope(rig.loop);
  auto pair = *os::socket_pair();
  scope.spawn(server.serve(std::move(pair.second)));
  ipc::Channel channel(rig.loop, std::move(pair.first));
  channel.put(Counts{});
  try {
    co_await channel.receive(no_deadline);
  } catch (const io::Ended&) {
    closed = true;
  }
  co_await scope.join();
}

}  // namespace

TEST_CASE("counts follow a process over several connections and end with the last of them") {
  Rig rig;
  Server server(rig.loop, rig.log, rig.config, rig.stop.token(), rig.drain.token());
  std::vector<std::uint32_t> seen;
  rig.loop.run_until_done(conversation(rig, server, seen));
  CHECK(seen == std::vector<std::uint32_t>{1, 2, 2, 3, 1});
}

TEST_CASE("a message that is no report closes the connection") {
  Rig rig;
  Server server(rig.loop, rig.log, rig.config, rig.stop.token(), rig.drain.token());
  bool closed = false;
  rig.loop.run_until_done(nonsense(rig, server, closed));
  CHECK(closed);
}

TEST_CASE("statistics are logged when due and once more at the end") {
  Rig rig;
  {
    Server server(rig.loop, rig.log, rig.config, rig.stop.token(), rig.drain.token());
    std::vector<std::uint32_t> seen;
    rig.loop.run_until_done(conversation(rig, server, seen));
    CHECK(rig.log.text().empty());
    const auto for_a_while = [](Rig& r, Server& s) -> event::Task<> {
      event::TaskScope scope(r.loop);
      scope.spawn(s.log_statistics());
      co_await r.loop.sleep(Seconds(601));
      r.drain.stop();
      co_await scope.join();
    };
    rig.loop.run_until_done(for_a_while(rig, server));
    CHECK(rig.log.contains("statistics: max connection count 2 for (smtp:192.0.2.1) at "));
    rig.log = MemoryLog();
  }
  CHECK(rig.log.text().empty());
}
