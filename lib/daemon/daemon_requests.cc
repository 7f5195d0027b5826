// Daemon::serve_requests and serve_calls: typed messages from other processes of the suite.
#include <sys/socket.h>

#include "lib/daemon/daemon.h"

namespace postrider::daemon {

namespace {

// A client that asks more than this before it reads its answers is not read meanwhile.
constexpr std::size_t most_calls = 10'000;

// The calls of one connection that are under way.
struct UnderWay {
  explicit UnderWay(event::Loop& loop) : tasks(loop), ended(loop) {}
  event::TaskScope tasks;
  event::Notice ended;
  bool broken = false;  // a call threw: the connection is to be closed
};

event::Task<> answer_one(const Daemon::Calls& calls, ipc::Channel& channel, ipc::Frame frame,
                         UnderWay& under_way) {
  const ipc::Call call(channel, frame.call());
  try {
    co_await calls(call, std::move(frame));
  } catch (const io::Ended& ended) {
    // A call that the stop cut short has no answer; others of the connection may have theirs on the way.
    if (ended.why != io::Ended::Why::stopped) {
      under_way.broken = true;
      ::shutdown(channel.socket().get(), SHUT_RDWR);  // wakes the reader
    }
  }
  if (under_way.tasks.size() >= most_calls) under_way.ended.notify();
}

}  // namespace

event::Task<> Daemon::serve_connection(os::Fd client, const Calls& calls, const Conversation& conversation) {
  ipc::Channel channel(loop_, std::move(client), stop_.token());
  UnderWay under_way(loop_);
  bool told = false;  // that we are going away
  bool conversing = false;
  while (!under_way.broken) {
    std::optional<ipc::Frame> frame;
    io::Ended::Why why{};
    try {
      // A conversation between two requests ends with the drain, one within a request does not; a
      // connection of calls is closed by the client, who knows when it has asked its last.
      channel.set_stop(told ? stop_.token() : drain_.token());
      frame = co_await channel.receive(no_deadline);
      channel.set_stop(stop_.token());
      if (frame->call() == 0) {
        conversing = true;
        if (conversation)
          co_await conversation(channel, std::move(*frame));
        else
          co_await calls(ipc::Call(channel, 0), std::move(*frame));
        co_await channel.flush(loop_.after(Seconds{100}));
        continue;
      }
    } catch (const io::Ended& ended) {
      why = ended.why;
      frame.reset();
    }
    if (frame) {
      while (under_way.tasks.size() >= most_calls) co_await under_way.ended.wait();
      under_way.tasks.spawn(answer_one(calls, channel, std::move(*frame), under_way));
      continue;
    }
    if (why != io::Ended::Why::stopped || conversing || told || stop_.stopped()) break;
    told = true;
    channel.put_as(0, ipc::GoingAway{});
    channel.post();
  }
  // What was asked is done, even when nobody waits for the answer.
  co_await under_way.tasks.join();
}

int Daemon::serve_requests(Calls calls, Conversation conversation, std::size_t limit) {
  return serve([&](os::Fd client) { return serve_connection(std::move(client), calls, conversation); },
               limit);
}

int Daemon::serve_calls(Calls calls, std::size_t limit) {
  return serve_requests(std::move(calls), nullptr, limit);
}

}  // namespace postrider::daemon
