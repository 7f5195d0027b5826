// Serves the queue manager's requests under the names bounce, defer and trace: reads the message that is
// reported on, and hands the notices about it to cleanup.
//
// One request is answered when its notice is on stable storage, or when nobody is to be told. A request that
// was interrupted may be asked again; its sender is then told twice, never not at all.
#pragma once

#include <string>

#include "bounce/notice.h"
#include "lib/base/log.h"
#include "lib/event/loop.h"
#include "lib/ipc/call.h"
#include "lib/ipc/channel.h"
#include "lib/ipc/pool.h"
#include "lib/os/files.h"
#include "lib/protocol/cleanup.h"

namespace postrider::bounce {

class Server {
 public:
  // The references outlive the server. `cleanup_path` is the socket of the cleanup service.
  Server(event::Loop& loop, Log& log, os::Files& files, Rules rules, std::string cleanup_path,
         event::StopToken stop);

  // A handler for Daemon::serve_calls().
  event::Task<> serve(ipc::Call call, ipc::Frame frame);

  event::Task<protocol::Notified> notify(protocol::Notify request);

 private:
  // The id under which the notice was queued, empty when a rule discarded it.
  event::Task<Result<std::string>> send(Notice& notice, std::string_view content);
  event::Task<protocol::Submitted> submit(ipc::Channel& cleanup, const Notice& notice,
                                          std::string_view content, MonoTime deadline);

  event::Loop& loop_;
  Log& log_;
  os::Files& files_;
  Rules rules_;
  event::StopToken stop_;
  ipc::Pool cleanup_;
};

}  // namespace postrider::bounce
