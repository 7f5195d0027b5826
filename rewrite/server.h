// The rewrite service: answers requests about addresses and tables, several clients at once.
//
// Questions whose tables are local files are answered on the loop; those that may wait for other
// programs or hosts go to worker threads, each with a resolver of its own; that a recipient exists
// is then remembered for some seconds. Lives from before the sandbox to the end of the process; tables
// are opened in open(), after it.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "lib/event/sync.h"
#include "lib/event/workers.h"
#include "lib/ipc/call.h"
#include "rewrite/allowed_tables.h"
#include "rewrite/resolver.h"

namespace postrider::rewrite {

class Server {
 public:
  // `trusted_uid` may have any table looked up, as root may. All references outlive the server.
  Server(event::Loop& loop, Log& log, table::Context context, ResolverSettings settings,
         AllowedTables allowed, uid_t trusted_uid, std::size_t threads);

  Result<> open();  // configuration errors only

  // One request, to its answer. Throws io::Ended on what is no request.
  event::Task<> answer(ipc::Call call, ipc::Frame frame);

 private:
  // Runs `work` with a resolver: here if it cannot block, else on a thread.
  event::Task<> with_resolver(bool blocks, std::function<void(const Resolver&)> work);
  event::Task<protocol::RecipientChecked> check(const protocol::CheckRecipient& question);
  bool may_look_up(const ipc::Call& call, const std::string& maps) const;

  event::Loop& loop_;
  Log& log_;
  const table::Context context_;
  const ResolverSettings settings_;
  const AllowedTables allowed_;
  const uid_t trusted_uid_;
  std::unique_ptr<Resolver> resolver_;            // the loop's
  std::vector<std::unique_ptr<Resolver>> spare_;  // the threads', when not in use
  // Recipients that a slow table listed, and until when that is believed. Bounded.
  StringMap<MonoTime> listed_;
  event::Semaphore threads_free_;
  event::Workers workers_;
};

}  // namespace postrider::rewrite
