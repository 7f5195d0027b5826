#include "anvil/server.h"

#include "lib/base/log.h"
#include "lib/os/socket.h"

namespace postrider::anvil {

Server::Server(event::Loop& loop, Log& log, const AnvilConfig& config, event::StopToken stop,
               event::StopToken drain)
    : loop_(loop),
      log_(log),
      config_(config),
      stop_(stop),
      drain_(drain),
      counters_(loop.clock(), config.rate_time_unit()) {}

Server::~Server() { write_statistics(); }

void Server::write_statistics() {
  for (const std::string& line : counters_.take_statistics()) log_.info("{}", line);
}

void Server::answer(ipc::Channel& channel, ipc::Frame& frame, Owner owner) {
  if (const auto connect = frame.as<protocol::Connect>())
    channel.put(counters_.connect(owner, connect->service, connect->client));
  else if (const auto count = frame.as<protocol::CountEvent>())
    channel.put(counters_.count(count->event, count->service, count->client));
  else if (const auto unconnect = frame.as<protocol::Unconnect>())
    counters_.unconnect(owner, unconnect->service, unconnect->client);
  else
    throw io::Ended{io::Ended::Why::lost, "unexpected message"};
}

event::Task<> Server::serve(os::Fd client) {
  const Result<os::PeerCredentials> peer = os::peer_credentials(client);
  if (!peer) co_return;
  const Owner owner = peer->pid;
  ipc::Channel channel(loop_, std::move(client), stop_);
  ++connections_[owner];
  // Also when this frame is destroyed while it waits.
  struct Leave {
    Server& server;
    Owner owner;
    ~Leave() {
      const auto its = server.connections_.find(owner);
      if (--its->second > 0) return;
      server.connections_.erase(its);
      server.counters_.forget_owner(owner);
    }
  };
  const Leave leave{*this, owner};
  try {
    while (true) {
      channel.set_stop(drain_);
      ipc::Frame frame = co_await channel.receive(no_deadline);
      channel.set_stop(stop_);
      answer(channel, frame, owner);
      // Everything that came in one piece is answered in one piece.
      while (std::optional<ipc::Frame> next = channel.buffered_frame()) answer(channel, *next, owner);
      if (channel.pending_output() > 0) co_await channel.flush(loop_.after(Seconds{100}));
    }
  } catch (const io::Ended&) {
    // The process is gone or broke the protocol; the others do not notice.
  }
}

event::Task<> Server::log_statistics() {
  while (true) {
    const bool due = co_await loop_.sleep(config_.status_update_time(), drain_);
    if (!due) co_return;
    write_statistics();
  }
}

}  // namespace postrider::anvil
