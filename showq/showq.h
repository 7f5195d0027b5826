// showq: lists the queue to whoever connects to public/showq, and passes flush requests on to qmgr.
//
// What qmgr holds in memory it is asked for, or, while there is none, the segments are read; what sleeps is
// read from deferred/, hold/ and maildrop/.
// Everybody may read the listing who may connect; flushing is for authorized_flush_users.
#pragma once

#include <string>
#include <unordered_set>

#include "lib/config/common.h"
#include "lib/config/settings.h"
#include "lib/daemon/daemon.h"
#include "lib/io/stream.h"
#include "lib/ipc/call.h"
#include "lib/ipc/pool.h"
#include "lib/protocol/services.h"
#include "lib/queue/listing.h"
#include "lib/queue/spill.h"

namespace postrider::config {
class Catalogue;
}

namespace postrider::showq {

class Showq {
 public:
  explicit Showq(daemon::Daemon& daemon);
  // Sends the whole listing and closes.
  event::Task<> serve(os::Fd client);

 private:
  event::Task<> list_active(io::Stream& out, std::unordered_set<std::string>& seen);
  event::Task<> list_segments(io::Stream& out, std::unordered_set<std::string>& seen);
  event::Task<> list_shelf(io::Stream& out, queue::Shelf shelf, std::unordered_set<std::string>& seen);
  event::Task<> list_maildrop(io::Stream& out);
  event::Task<> send(io::Stream& out, const queue::ListedMessage& message);

  daemon::Daemon& daemon_;
  queue::Layout layout_;
  queue::SpillStore store_;
};

struct FlushConfig : config::Section {
  config::List authorized{*this,
                          "authorized_flush_users",
                          "static:anyone",
                          {},
                          "Who may flush the queue: user names, or static:anyone."};
};

// flush: the requests of prqueue -f, -i and -s, as typed messages on public/flush.
class Flush {
 public:
  Flush(daemon::Daemon& daemon, const FlushConfig& config)
      : daemon_(daemon),
        config_(config),
        qmgr_(daemon.loop(), std::string(protocol::qmgr_intake), 0, daemon.stop_token()) {}
  event::Task<> answer(ipc::Call call, ipc::Frame frame);

 private:
  bool authorised(const ipc::Call& call) const;
  daemon::Daemon& daemon_;
  const FlushConfig& config_;
  ipc::Pool qmgr_;
};

void declare_showq(config::Catalogue& catalogue);

}  // namespace postrider::showq
