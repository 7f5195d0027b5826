#include "lib/ipc/pool.h"

#include <fcntl.h>

namespace postrider::ipc {

Pool::Pool(event::Loop& loop, std::string path, std::size_t most_idle, event::StopToken stop)
    : loop_(loop), path_(std::move(path)), most_idle_(most_idle), stop_(stop) {}

void Pool::Lease::give_back() {
  if (pool_->idle_.size() < pool_->most_idle_) pool_->idle_.push_back(std::move(channel_));
  channel_.reset();
}

// The shared connection, made now if need be; null when the service is not there.
Caller* Pool::connected() {
  if (caller_ && caller_->open()) return caller_.get();
  Result<os::Fd> socket = connect();
  if (!socket) return nullptr;
  std::erase_if(leaving_, [](const auto& old) { return old->finished(); });
  if (caller_) leaving_.push_back(std::move(caller_));
  caller_ = std::make_unique<Caller>(loop_, std::move(*socket), stop_);
  return caller_->open() ? caller_.get() : nullptr;
}

Result<os::Fd> Pool::connect() {
  Result<os::Fd> socket = os::connect_unix(path_);
  if (!socket) return fail(socket.error().within("connect to service " + path_));
  return socket;
}

event::Task<bool> Pool::may_try_again(MonoTime deadline) {
  const MonoTime again = loop_.after(Milliseconds{100});
  if (again >= deadline) co_return false;
  const bool whole = co_await loop_.sleep_until(again, stop_);
  if (!whole) throw io::Ended{io::Ended::Why::stopped, ""};
  co_return true;
}

event::Task<Result<Caller*>> Pool::shared(MonoTime deadline) {
  while (true) {
    if (Caller* caller = connected()) co_return caller;
    const bool again = co_await may_try_again(deadline);
    if (!again) co_return fail(Trouble::temporary, "connect to service " + path_ + ": nobody answers");
  }
}

event::Task<Result<Pool::Lease>> Pool::get(MonoTime deadline) {
  while (!idle_.empty()) {
    std::unique_ptr<Channel> channel = std::move(idle_.back());
    idle_.pop_back();
    if (!channel->is_stale()) co_return Lease(*this, std::move(channel));
  }
  while (true) {
    Result<os::Fd> socket = connect();
    if (socket) co_return Lease(*this, std::make_unique<Channel>(loop_, std::move(*socket), stop_));
    const bool again = co_await may_try_again(deadline);
    if (!again) co_return fail(socket.error());
  }
}

}  // namespace postrider::ipc
