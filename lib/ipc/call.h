// One request at the server's side, and where its answer goes. Handlers of Daemon::serve_requests and
// Daemon::serve_calls get it by value; the connection outlives every call made on it.
#pragma once

#include <cstdint>

#include "lib/ipc/channel.h"

namespace postrider::ipc {

// Server to client, on a connection of calls: make no more of them here, close it when the last is
// answered. Not itself part of a call.
struct GoingAway {
  static constexpr std::string_view name = "ipc.going-away/1";
  template <class Self, class V>
  static void fields(Self&, V&) {}
};

class Call {
 public:
  // The call of the frame that was received last.
  Call(Channel& channel) : channel_(&channel), number_(channel.answering()) {}  // NOLINT(*explicit*)
  Call(Channel& channel, std::uint32_t number) : channel_(&channel), number_(number) {}

  // Queues the answer; it leaves when this turn of the loop ends, with all others of the connection.
  template <class M>
  void answer(const M& message) const {
    channel_->put_as(number_, message);
    channel_->post();
  }
  // The client's socket, for its credentials.
  const os::Fd& socket() const { return channel_->socket(); }

 private:
  Channel* channel_;
  std::uint32_t number_;
};

}  // namespace postrider::ipc
