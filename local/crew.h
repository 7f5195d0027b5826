// The agent's side of its workers: starts them under the right identity, gives them jobs, keeps them
// for the next, ends those that are idle.
//
// One worker for each identity takes all Maildir deliveries, in groups: while one group is being made
// durable the next one gathers, so that the disk waits are shared. Everything else has a worker to
// itself for as long as it lasts. Identities that are root's are refused here, before any process
// exists. Outlived by nothing that waits for a job.
#pragma once

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/event/loop.h"
#include "lib/event/scope.h"
#include "lib/event/sync.h"
#include "lib/ipc/channel.h"
#include "local/identity.h"
#include "local/jobs.h"

namespace postrider::local {

class Crew {
 public:
  // `as_root`: workers take on identities; else they all are the one user we are.
  Crew(event::Loop& loop, Log& log, event::TaskScope& tasks, event::StopToken stop, bool as_root);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  event::Task<Ending> store(Identity who, MaildirJob job);
  // One at a time for each file: two workers would wait for each other's locks in whole seconds.
  // Throws Ended when the process stops.
  event::Task<Ending> append(Identity who, MboxJob job);

  // Any other job. An error (temporary): no worker could be started, or it died; permanent: the
  // identity is root's.
  template <class Answer, class Job>
  event::Task<Result<Answer>> run(Identity who, const Job& job, Microseconds limit) {
    Result<std::unique_ptr<Worker>> worker = co_await hire(who);
    if (!worker) co_return std::unexpected(std::move(worker).error());
    const Lease lease(*this, std::move(*worker));
    try {
      Answer answer = co_await lease->channel->call<Answer>(job, loop_.after(limit));
      lease->good = true;
      co_return std::move(answer);
    } catch (const io::Ended& ended) {
      log_lost(*lease, ended);
    }
    co_return fail(Trouble::temporary, "delivery process failed");
  }

 private:
  struct Worker {
    Identity identity;
    pid_t pid = 0;
    std::unique_ptr<ipc::Channel> channel;
    MonoTime idle_since{};
    bool good = true;  // answered its last job
  };
  // Gives the worker back, or ends it when it did not prove good.
  class Lease {
   public:
    Lease(Crew& crew, std::unique_ptr<Worker> worker) : crew_(crew), worker_(std::move(worker)) {
      worker_->good = false;
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { crew_.dismiss(std::move(worker_)); }
    Worker* operator->() const { return worker_.get(); }
    Worker& operator*() const { return *worker_; }

   private:
    Crew& crew_;
    std::unique_ptr<Worker> worker_;
  };
  struct Pending {
    MaildirJob job;
    Ending ending{Ending::Kind::temporary, "delivery process failed"};
    event::Wait* waiter = nullptr;
    bool done = false;
  };
  // The Maildir deliveries of one identity.
  struct Group {
    std::deque<Pending*> waiting;
    bool serving = false;
  };
  // Who appends to one mbox file, one after the other.
  struct Turn {
    explicit Turn(event::Loop& loop) : free(loop, 1) {}
    event::Semaphore free;
    std::size_t users = 0;
  };

  event::Task<Result<std::unique_ptr<Worker>>> hire(Identity who);
  void dismiss(std::unique_ptr<Worker> worker);
  Result<std::unique_ptr<Worker>> start(const Identity& who);
  std::unique_ptr<Worker> find_idle(const Identity& who);
  event::Task<> serve(Identity who, Group& group);
  event::Task<bool> store_group(Worker& worker, const std::vector<Pending*>& batch);
  event::Task<> end_idle_workers();
  void log_lost(const Worker& worker, const io::Ended& ended);

  event::Loop& loop_;
  Log& log_;
  event::TaskScope& tasks_;
  event::StopToken stop_;
  bool as_root_;
  event::Semaphore room_;
  std::list<std::unique_ptr<Worker>> idle_;  // longest idle first
  std::map<Identity, Group> groups_;
  std::map<std::string, Turn> turns_;  // by mbox file
  std::size_t waiting_ = 0;            // for a worker while there are as many as may be
  bool ending_ = false;
};

}  // namespace postrider::local
