#include "lib/ipc/pool.h"

#include <fcntl.h>

namespace postrider::ipc {

Pool::Pool(event::Loop& loop, std::string path, std::size_t most_idle, event::StopToken stop)
    : loop_(loop), path_(std::move(path)), most_idle_(most_idle), stop_(stop) {}

void Pool::Lease::give_back() {
  if (pool_->idle_.size() < pool_->most_idle_) pool_->idle_.push_back(std::move(channel_));
  channel_.reset();
}

event::Task<Result<Pool::Lease>> Pool::get(MonoTime deadline) {
  while (!idle_.empty()) {
    std::unique_ptr<Channel> channel = std::move(idle_.back());
    idle_.pop_back();
    if (!channel->is_stale()) co_return Lease(*this, std::move(channel));
  }
  while (true) {
    Result<os::Fd> socket = os::connect_unix(path_);
    if (socket) {
      Lease lease(*this, std::make_unique<Channel>(loop_, std::move(*socket), stop_));
      lease.fresh_ = true;
      co_return std::move(lease);
    }
    const MonoTime again = loop_.after(Milliseconds{100});
    if (again >= deadline) co_return fail(socket.error().within("connect to service " + path_));
    const bool whole = co_await loop_.sleep_until(again, stop_);
    if (!whole) throw io::Ended{io::Ended::Why::stopped, ""};
  }
}

}  // namespace postrider::ipc
