// qmgr itself: admits messages into the active queue, has them delivered, and records what became of
// them. One object, one loop; the parts are in files of their own:
//
//   admission.cc  new messages from cleanup, the scan at start, messages whose time has come
//   delivery.cc   resolving recipients, requests to the agents, outcomes
//   settle.cc     the end of a pass: notifications, removal, deferral
//   command.cc    prsuper, prqueue, flush
//   upkeep.cc     syncing the outcome journal, recycling segments
//
// Blocking file work runs in a small worker pool; reads of fresh messages do not, they are in the
// page cache. Trust: peers on the intake socket are mail_owner or root; agents are not trusted with
// more than the outcome of the recipients they were given.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "lib/base/text.h"
#include "lib/config/common.h"
#include "lib/daemon/daemon.h"
#include "lib/event/sync.h"
#include "lib/event/workers.h"
#include "lib/ipc/pool.h"
#include "lib/protocol/bounce.h"
#include "lib/protocol/delivery.h"
#include "lib/protocol/qmgr.h"
#include "lib/protocol/rewrite.h"
#include "lib/queue/admin.h"
#include "lib/queue/deferred_index.h"
#include "lib/queue/outcome_journal.h"
#include "lib/queue/queue_reader.h"
#include "lib/queue/spill.h"
#include "qmgr/config.h"
#include "qmgr/message.h"
#include "qmgr/scheduler.h"

namespace postrider::qmgr {

class QueueManager {
 public:
  QueueManager(daemon::Daemon& daemon, const QmgrConfig& config, const config::Services& services);
  ~QueueManager();

  // Opens the outcome journal and the intake socket, starts the scan. Fails when another qmgr runs.
  Result<> open();

  // Bytes from public/qmgr, as Postfix's tools send them: F flush, D scan deferred, I scan incoming,
  // W wake up.
  event::Task<> triggered(std::string kinds);

 private:
  // admission.cc
  event::Task<> accept_intake();
  event::Task<> serve_intake(os::Fd client);
  event::Task<bool> hear_out(os::Fd client);
  void announce(const protocol::Queued& queued);
  void admit(std::unique_ptr<Message> message);
  event::Task<> scan_journal();
  event::Task<> scan_segments();
  event::Task<Result<queue::SegmentScan>> scan_segment(queue::SegmentName name);
  bool settled_before(const queue::Found& found);
  void admit_found(queue::Found found);
  event::Task<> scan_deferred();
  event::Task<> admit_when_due();
  bool activate_deferred(queue::QueueId id, bool forced);
  void take_from_backlog();
  bool lives_elsewhere(const queue::Found& found);
  event::Task<> read_later(queue::Found found, Error error);
  event::Task<> admit_later(queue::Found found);

  // delivery.cc
  event::Task<> resolve(Message& message);
  void route(Message& message, const std::vector<std::uint32_t>& todo, std::vector<protocol::Route> routes);
  void report_route(Message& message, const std::string& transport, const std::string& nexthop,
                    const std::vector<std::uint32_t>& indices);
  void refuse(std::vector<Scheduler::Refused> refused);
  void refuse_one(Scheduler::Refused& refused);
  void pump();
  event::Task<> pump_later();
  event::Task<> deliver(Scheduler::Assignment assignment);
  Result<> open_content(Message& message);
  void close_content(Message& message);
  static void name_recipient_in_sender(queue::Envelope& part);
  std::vector<std::vector<std::uint32_t>> reports_of(const Message& message,
                                                     std::vector<std::uint32_t> indices) const;
  Result<protocol::DeliveryRequest> request_for(Message& message, const Scheduler::Assignment& assignment);
  void apply(Message& message, const Scheduler::Assignment& assignment,
             const protocol::DeliveryReport& report);
  void settle_recipient(Message& message, std::uint32_t index, protocol::RecipientOutcome outcome);
  void log_status(const Message& message, std::uint32_t index, const protocol::RecipientOutcome& outcome);
  ipc::Pool& pool(const std::string& service);

  // settle.cc
  void finish_pass_if_done(Message& message);
  event::Task<> finish_pass(Message& message);
  event::Task<bool> notify(Message& message, protocol::Notify::Kind kind, std::vector<std::uint32_t> indices);
  event::Task<> return_failures(Message& message);
  event::Task<> report_successes(Message& message);
  event::Task<> expire(Message& message);
  event::Task<> warn_of_delay(Message& message);
  event::Task<> remove(Message& message);
  event::Task<> defer(Message& message);
  event::Task<> shelve(Message& message, queue::Shelf shelf, WallTime next_attempt);
  void forget(Message& message);

  // command.cc
  event::Task<protocol::QueueCommandDone> obey(protocol::QueueCommand command);
  bool obey_active(protocol::QueueCommand::Verb verb, queue::QueueId id);
  event::Task<bool> obey_shelved(protocol::QueueCommand::Verb verb, queue::QueueId id);
  event::Task<> obey_wish(Message& message);
  event::Task<> obey_late(Message::Wish wish, queue::QueueId id);
  void flush_all();
  event::Task<std::vector<queue::QueueId>> shelved_ids(const protocol::QueueCommand& command);
  event::Task<bool> goes_to(queue::QueueId id, const std::vector<std::string>& sites);
  event::Task<> list(ipc::Channel& channel);

  // upkeep.cc
  event::Task<> keep_journal_durable();
  event::Task<> recycle_segments();
  event::Task<> recycle_segment(queue::SegmentName name);

  daemon::Daemon& daemon_;
  const QmgrConfig& config_;
  const config::Services& services_;
  event::Loop& loop_;
  Log& log_;
  queue::Layout layout_;
  queue::QueueReader reader_;
  queue::SpillStore store_;
  queue::QueueAdmin admin_;
  std::unique_ptr<queue::OutcomeJournal> journal_;
  queue::DeferredIndex index_;
  Scheduler scheduler_;
  event::Workers workers_;
  event::Semaphore resolvers_;
  StringMap<std::unique_ptr<ipc::Pool>> pools_;
  StringMap<unsigned> process_limits_;  // by transport, from master.cf

  std::unordered_map<queue::QueueId, std::unique_ptr<Message>> active_;
  std::deque<queue::Found> backlog_;  // known, waiting for room in the active queue
  unsigned journal_scans_ = 0;        // asked for while one is under way, that one included
  bool scanning_deferred_ = false;
  bool flush_after_scan_ = false;  // a flush came before all that sleeps was known
  std::size_t flushed_ = 0;        // so many of the next due messages were made due by a flush
  bool pump_waiting_ = false;
  std::unordered_map<queue::SegmentName, MonoTime> troubled_;  // not recycled before then
  os::Fd intake_;
  event::Notice due_;
  event::Notice dirty_;
  event::Notice emptied_;
};

void add_process_limits(const config::Values& values, StringMap<unsigned>& limits);

}  // namespace postrider::qmgr
