// A client's connections to one service of the suite: one that all its calls share, and one for each
// conversation that is under way; opened when needed, and anew when the service was restarted.
//
// The service's socket path is relative to the working directory, which is the queue directory or,
// in a chroot, a directory that holds the sockets this process may use. Connecting to a local
// service does not block as long as its backlog has room. Outlives its leases and its calls, and must
// not be destroyed by a task that waits for one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lib/event/loop.h"
#include "lib/ipc/caller.h"
#include "lib/ipc/channel.h"

namespace postrider::ipc {

class Pool {
 public:
  // `most_idle` connections are kept open between conversations.
  Pool(event::Loop& loop, std::string path, std::size_t most_idle = 8, event::StopToken stop = {});

  // One question, one answer, on the shared connection; asked once more on a new one when the service was
  // lost, so only for questions that may be asked twice. Errors are Trouble::temporary. Throws Ended only
  // for a stop.
  template <class Reply, class Request>
  event::Task<Result<Reply>> ask(const Request& request, MonoTime deadline) {
    for (int attempt = 0; attempt < 3; ++attempt) {
      Result<Caller*> caller = co_await shared(deadline);
      if (!caller) co_return std::unexpected(std::move(caller).error());
      io::Ended::Why why{};
      try {
        Reply reply = co_await (*caller)->template call<Reply>(request, deadline);
        co_return std::move(reply);
      } catch (const io::Ended& ended) {
        why = ended.why;
      }
      if (why == io::Ended::Why::stopped) throw io::Ended{why, ""};
      if (why == io::Ended::Why::timed_out) break;
    }
    co_return fail(Trouble::temporary, "service " + path_ + " does not answer");
  }

  // The same for what must not be done twice: when the service was lost with the question, throws
  // Ended::lost or timed_out. An error means that it was not asked.
  template <class Reply, class Request>
  event::Task<Result<Reply>> ask_once(const Request& request, MonoTime connect_deadline, MonoTime deadline) {
    Result<Caller*> caller = co_await shared(connect_deadline);
    if (!caller) co_return std::unexpected(std::move(caller).error());
    Reply reply = co_await (*caller)->template call<Reply>(request, deadline);
    co_return std::move(reply);
  }

  // Says something that is not answered. It is lost when the service cannot be reached at once.
  template <class M>
  void tell(const M& message) {
    if (Caller* caller = connected()) caller->tell(message);
  }

  // One connection for a conversation. Call give_back() when it ended as it should; a lease destroyed
  // before that closes its connection, since nobody knows what is still in it.
  class Lease {
   public:
    Lease(Pool& pool, std::unique_ptr<Channel> channel) : pool_(&pool), channel_(std::move(channel)) {}
    Channel& operator*() { return *channel_; }
    Channel* operator->() { return channel_.get(); }
    void give_back();

   private:
    Pool* pool_;
    std::unique_ptr<Channel> channel_;
  };

  // Tries again every 100 ms until the deadline while the service is not there; then Trouble::temporary.
  event::Task<Result<Lease>> get(MonoTime deadline);

  const std::string& path() const { return path_; }

 private:
  Result<os::Fd> connect();
  Caller* connected();
  event::Task<Result<Caller*>> shared(MonoTime deadline);
  event::Task<bool> may_try_again(MonoTime deadline);

  event::Loop& loop_;
  std::string path_;
  std::size_t most_idle_;
  event::StopToken stop_;
  std::unique_ptr<Caller> caller_;
  std::vector<std::unique_ptr<Caller>> leaving_;  // no new calls, but old ones
  std::vector<std::unique_ptr<Channel>> idle_;
};

}  // namespace postrider::ipc
