// A client's connections to one service of the suite: lent for one conversation at a time, kept for
// the next, reopened when the service was restarted.
//
// The service's socket path is relative to the working directory, which is the queue directory or,
// in a chroot, a directory that holds the sockets this process may use. Connecting to a local
// service does not block as long as its backlog has room. Outlives its leases.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lib/event/loop.h"
#include "lib/ipc/channel.h"

namespace postrider::ipc {

class Pool {
 public:
  // `most_idle` connections are kept open between conversations.
  Pool(event::Loop& loop, std::string path, std::size_t most_idle = 8, event::StopToken stop = {});

  // One connection, exclusively. Call give_back() when the conversation ended as it should; a lease
  // destroyed before that closes its connection, since nobody knows what is still in it.
  class Lease {
   public:
    Lease(Pool& pool, std::unique_ptr<Channel> channel) : pool_(&pool), channel_(std::move(channel)) {}
    Channel& operator*() { return *channel_; }
    Channel* operator->() { return channel_.get(); }
    bool fresh() const { return fresh_; }  // opened for this lease, so a lost peer is not just an old one
    void give_back();

   private:
    friend class Pool;
    Pool* pool_;
    std::unique_ptr<Channel> channel_;
    bool fresh_ = false;
  };

  // Tries again every 100 ms until the deadline while the service is not there; then Trouble::temporary.
  event::Task<Result<Lease>> get(MonoTime deadline);

  // One question, one answer, on whatever connection; asked once more on a new connection when an
  // old one turns out to be dead, so only for questions that may be asked twice. Never throws Ended
  // but for a stop.
  template <class Reply, class Request>
  event::Task<Result<Reply>> ask(const Request& request, MonoTime deadline) {
    for (int attempt = 0; attempt < 3; ++attempt) {
      Result<Lease> lease = co_await get(deadline);
      if (!lease) co_return std::unexpected(std::move(lease).error());
      io::Ended::Why why{};
      try {
        Reply reply = co_await (*lease)->template call<Reply>(request, deadline);
        lease->give_back();
        co_return std::move(reply);
      } catch (const io::Ended& ended) {
        why = ended.why;
      }
      if (why == io::Ended::Why::stopped) throw io::Ended{why, ""};
      if (why == io::Ended::Why::timed_out) break;
    }
    co_return fail(Trouble::temporary, "service " + path_ + " does not answer");
  }

  const std::string& path() const { return path_; }

 private:
  event::Loop& loop_;
  std::string path_;
  std::size_t most_idle_;
  event::StopToken stop_;
  std::vector<std::unique_ptr<Channel>> idle_;
};

}  // namespace postrider::ipc
