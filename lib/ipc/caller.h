// The client's side of a connection that many calls share: each question gets a number, answers come in any
// order, and what is asked in one turn of the loop leaves in one system call. Owned by a Pool.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "lib/event/loop.h"
#include "lib/ipc/channel.h"

namespace postrider::ipc {

class Caller {
 public:
  // Calls end when `stop` comes. Must not be destroyed by a task that it wakes.
  Caller(event::Loop& loop, os::Fd socket, event::StopToken stop);
  Caller(Caller&&) = delete;
  ~Caller();

  // Asks and waits for the answer, an M. Throws io::Ended: lost when the server went away or answered
  // something else, timed_out, stopped. Whether the server acted on a question that was lost is not known.
  template <class Reply, class Request>
  event::Task<Reply> call(const Request& request, MonoTime deadline) {
    if (!open_) throw io::Ended{io::Ended::Why::lost, "closed"};
    const std::uint32_t number = next_number();
    channel_.put_as(number, request);
    channel_.post();
    Frame frame = co_await answer(number, deadline);
    std::optional<Reply> reply = frame.as<Reply>();
    if (!reply) throw io::Ended{io::Ended::Why::lost, "unexpected answer"};
    co_return std::move(*reply);
  }
  // Tells something that is not answered; it may be lost.
  template <class M>
  void tell(const M& message) {
    channel_.put_as(next_number(), message);
    channel_.post();
  }

  // Whether new calls may be made: the server is there and did not say that it is going away.
  bool open() const { return open_; }
  // Not open, nobody waits, and not what is running now: may be destroyed.
  bool finished() const { return !open_ && waiting_.empty() && !dispatching_; }

 private:
  // A call without an answer yet; lives in its own coroutine, which may outlive the caller's end.
  struct Waiting {
    Waiting(Caller& asked, std::uint32_t call, event::Wait& wakes)
        : owner(&asked), number(call), wait(wakes) {
      asked.waiting_[call] = this;
    }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    ~Waiting() {
      if (owner) owner->forget(number);
    }
    Caller* owner;
    std::uint32_t number;
    event::Wait& wait;
    std::optional<Frame> answer;
  };
  std::uint32_t next_number();
  event::Task<Frame> answer(std::uint32_t number, MonoTime deadline);
  event::Task<> read();
  void take(Frame frame);
  void lose_all();
  void forget(std::uint32_t number);

  event::Loop& loop_;
  event::StopToken stop_;
  Channel channel_;
  bool open_ = true;
  bool dispatching_ = false;  // an answer is being handed over
  std::uint32_t last_number_ = 0;
  std::unordered_map<std::uint32_t, Waiting*> waiting_;
  event::Task<> reader_;
};

}  // namespace postrider::ipc
