// What the submissions of one cleanup process share: configuration, tables, the journal, the line to qmgr.
#pragma once

#include <memory>
#include <string>

#include "cleanup/announcer.h"
#include "cleanup/committer.h"
#include "cleanup/config.h"
#include "cleanup/inspector.h"
#include "cleanup/mapper.h"
#include "cleanup/rewriter.h"
#include "lib/daemon/daemon.h"
#include "lib/event/workers.h"
#include "lib/ipc/call.h"
#include "lib/ipc/pool.h"

namespace postrider::cleanup {

class Server {
 public:
  Server(daemon::Daemon& daemon, const Sections& sections);

  Result<> open_tables();  // before the sandbox: tables may be for root's eyes only
  Result<> open();         // after it: what is made in the queue belongs to mail_owner
  // Tells qmgr of what is committed, until the stop and a little after.
  event::Task<> run(event::StopToken stop) { return announcer_.run(stop); }

  // A question with one answer: queue ids, a whole submission.
  event::Task<> answer(ipc::Call call, ipc::Frame frame);
  // A submission that streams, or a question asked as a conversation.
  event::Task<> converse(ipc::Channel& channel, ipc::Frame frame);

  daemon::Daemon& daemon() { return daemon_; }
  Log& log() { return daemon_.log(); }
  const Sections& sections() const { return sections_; }
  Mapper& mapper() { return mapper_; }
  Committer& committer() { return committer_; }
  Announcer& announcer() { return announcer_; }
  const Checks& checks() const { return checks_; }
  event::Workers& workers() { return *workers_; }  // the one thread that looks up

 private:
  daemon::Daemon& daemon_;
  const Sections& sections_;
  ipc::Pool rewrite_;
  Rewriter rewriter_;
  Mapper mapper_;
  Checks checks_;
  Committer committer_;
  Announcer announcer_;
  std::unique_ptr<event::Workers> workers_;
};

}  // namespace postrider::cleanup
