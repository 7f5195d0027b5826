#include "cleanup/announcer.h"

#include <algorithm>
#include <cerrno>

#include "lib/io/ended.h"
#include "lib/os/socket.h"

namespace postrider::cleanup {

namespace {
constexpr std::size_t at_once = 256;
constexpr Seconds patience{60};
constexpr Milliseconds retry_pause{50};
}  // namespace

Announcer::Announcer(event::Loop& loop, Log& log, std::string socket)
    : loop_(loop), log_(log), socket_(std::move(socket)), arrived_(loop) {}

void Announcer::announce(queue::Place place, bool in_content_file, std::string envelope) {
  protocol::Queued& queued = queue_.emplace_back();
  queued.slot = place.segment.slot;
  queued.serial = place.segment.serial;
  queued.offset = place.offset;
  queued.in_content_file = in_content_file;
  queued.envelope = std::move(envelope);
  arrived_.notify();
}

event::Task<> Announcer::run(event::StopToken stop) {
  for (;;) {
    while (!queue_.empty()) {
      const bool sent = co_await send();
      if (!sent) queue_.clear();
    }
    if (stop.stopped()) co_return;
    co_await arrived_.wait(no_deadline, stop);
  }
}

// False when there is no queue manager: the next one finds everything that waits here in the journal. One
// that is there looks for nothing, and must be told.
event::Task<bool> Announcer::send() {
  if (!channel_) {
    Result<os::Fd> socket = os::connect_unix(socket_);
    if (!socket) {
      const int why = socket.error().os_error();
      const bool absent = why == ENOENT || why == ECONNREFUSED;
      if (absent) {
        log_.debug("queue manager: {}", socket.error().text());
        co_return false;
      }
      log_.warning("queue manager: {}", socket.error().text());
      co_await loop_.sleep(retry_pause);
      co_return true;
    }
    channel_ = std::make_unique<ipc::Channel>(loop_, std::move(*socket));
  }
  const std::size_t count = std::min(queue_.size(), at_once);
  bool lost = false;
  try {
    for (std::size_t i = 0; i < count; ++i) channel_->put(queue_[i]);
    co_await channel_->flush(loop_.after(patience));
  } catch (const io::Ended&) {
    lost = true;
  }
  if (lost) {
    channel_.reset();  // said again on a new connection: hearing it twice does no harm
    co_await loop_.sleep(retry_pause);
    co_return true;
  }
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(count));
  co_return true;
}

}  // namespace postrider::cleanup
