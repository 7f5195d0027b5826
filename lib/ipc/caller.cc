#include "lib/ipc/caller.h"

#include <sys/socket.h>

#include "lib/ipc/call.h"

namespace postrider::ipc {

Caller::Caller(event::Loop& loop, os::Fd socket, event::StopToken stop)
    : loop_(loop), stop_(stop), channel_(loop, std::move(socket)) {
  reader_ = read();
  reader_.start();
}

Caller::~Caller() {
  for (const auto& [number, waiting] : waiting_) waiting->owner = nullptr;
}

// 0 belongs to conversations.
std::uint32_t Caller::next_number() {
  do ++last_number_;
  while (last_number_ == 0 || waiting_.contains(last_number_));
  return last_number_;
}

event::Task<Frame> Caller::answer(std::uint32_t number, MonoTime deadline) {
  event::Wait wait(loop_, deadline, stop_);
  Waiting waiting(*this, number, wait);
  const event::Woken woken = co_await wait;
  if (waiting.answer) co_return std::move(*waiting.answer);
  if (woken == event::Woken::stopped) throw io::Ended{io::Ended::Why::stopped, ""};
  if (woken == event::Woken::timed_out) throw io::Ended{io::Ended::Why::timed_out, ""};
  throw io::Ended{io::Ended::Why::lost, "closed"};
}

event::Task<> Caller::read() {
  try {
    while (true) {
      Frame frame = co_await channel_.receive(no_deadline);
      dispatching_ = true;
      take(std::move(frame));
      dispatching_ = false;
    }
  } catch (const io::Ended&) {
    // The server is gone, or broke the protocol.
  }
  open_ = false;
  dispatching_ = true;
  lose_all();
  dispatching_ = false;
}

void Caller::take(Frame frame) {
  if (frame.is<GoingAway>()) {
    open_ = false;
    if (waiting_.empty()) ::shutdown(channel_.socket().get(), SHUT_WR);
    return;
  }
  // An answer that nobody waits for any more came after its deadline.
  const auto found = waiting_.find(frame.call());
  if (found == waiting_.end()) return;
  Waiting& waiting = *found->second;
  waiting.answer = std::move(frame);
  waiting.wait.wake();
}

// Those who wait hear of it in the order of nothing in particular; what they ask next they ask elsewhere.
void Caller::lose_all() {
  while (!waiting_.empty()) {
    Waiting& waiting = *waiting_.begin()->second;
    forget(waiting.number);
    waiting.owner = nullptr;
    waiting.wait.wake();
  }
}

void Caller::forget(std::uint32_t number) {
  waiting_.erase(number);
  // The server waits for us to close.
  if (!open_ && waiting_.empty()) ::shutdown(channel_.socket().get(), SHUT_WR);
}

}  // namespace postrider::ipc
