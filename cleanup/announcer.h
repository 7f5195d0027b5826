// Tells qmgr what was committed. Nothing is lost when it cannot be told: a queue manager that starts reads
// the journal, and one that does not run cannot be connected to.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "lib/base/log.h"
#include "lib/event/loop.h"
#include "lib/event/sync.h"
#include "lib/ipc/channel.h"
#include "lib/protocol/qmgr.h"
#include "lib/queue/layout.h"

namespace postrider::cleanup {

class Announcer {
 public:
  Announcer(event::Loop& loop, Log& log, std::string socket);

  void announce(queue::Place place, bool in_content_file, std::string envelope);
  std::size_t waiting() const { return queue_.size(); }

  // Runs until the stop, then tells what is left.
  event::Task<> run(event::StopToken stop);

 private:
  event::Task<bool> send();

  event::Loop& loop_;
  Log& log_;
  std::string socket_;
  std::deque<protocol::Queued> queue_;
  std::unique_ptr<ipc::Channel> channel_;
  event::Notice arrived_;
};

}  // namespace postrider::cleanup
