#include "local/crew.h"

#include <algorithm>

#include <unistd.h>
#include <csignal>

#include "lib/os/process.h"
#include "lib/os/socket.h"
#include "local/worker.h"

namespace postrider::local {

namespace {

constexpr std::size_t most_workers = 100;
constexpr Seconds idle_time{10};     // a worker without work is kept this long
constexpr Seconds store_limit{600};  // for one group of deliveries, on the slowest disk

}  // namespace

Crew::Crew(event::Loop& loop, Log& log, event::TaskScope& tasks, event::StopToken stop, bool as_root)
    : loop_(loop), log_(log), tasks_(tasks), stop_(stop), as_root_(as_root), room_(loop, most_workers) {
  loop_.on_signal(SIGCHLD, [] {
    while (os::reap()) {
    }
  });
}

Crew::~Crew() = default;

Result<std::unique_ptr<Crew::Worker>> Crew::start(const Identity& who) {
  if (as_root_ && who.uid == 0) return fail(Trouble::permanent, "mail is not delivered with root's rights");
  auto sockets = os::socket_pair();
  if (!sockets) return fail(sockets.error());
  os::Spawn spawn;
  spawn.program = "/proc/self/exe";  // works wherever the program may be read from, for any user
  spawn.arguments = {"local", "--worker"};
  spawn.environment = {"PATH=/usr/bin:/bin"};
  if (const char* zone = std::getenv("TZ"); zone != nullptr)
    spawn.environment.push_back(std::string("TZ=") + zone);
  spawn.descriptors = {{sockets->second.get(), worker_socket}, {2, 2}};
  if (as_root_) {
    spawn.uid = who.uid;
    spawn.gid = who.gid;
    if (who.spool_group) spawn.groups = {*who.spool_group};
  }
  const auto pid = os::spawn(spawn);
  if (!pid) return fail(pid.error());
  auto worker = std::make_unique<Worker>();
  worker->identity = who;
  worker->pid = *pid;
  worker->channel = std::make_unique<ipc::Channel>(loop_, std::move(sockets->first), stop_);
  return worker;
}

std::unique_ptr<Crew::Worker> Crew::find_idle(const Identity& who) {
  while (true) {
    // The one used last: the others may come to their end.
    const auto found = std::find_if(idle_.rbegin(), idle_.rend(),
                                    [&](const auto& worker) { return worker->identity == who; });
    if (found == idle_.rend()) return nullptr;
    auto worker = std::move(*found);
    idle_.erase(std::next(found).base());
    if (!worker->channel->is_stale()) return worker;
    room_.release();  // it died while idle
  }
}

event::Task<Result<std::unique_ptr<Crew::Worker>>> Crew::hire(Identity who) {
  if (!as_root_) who = {};
  if (auto worker = find_idle(who)) co_return std::move(worker);
  if (!room_.try_acquire()) {
    // Full: an idle worker of another identity makes room, or we wait until one is given back.
    if (!idle_.empty()) {
      idle_.pop_front();
    } else {
      ++waiting_;
      const bool got = co_await room_.acquire(no_deadline, stop_);
      --waiting_;
      if (!got) co_return fail(Trouble::temporary, "the agent is stopping");
    }
  }
  auto started = start(who);
  if (!started) room_.release();
  co_return std::move(started);
}

// Room is counted for workers that exist: idle ones keep theirs.
void Crew::dismiss(std::unique_ptr<Worker> worker) {
  if (!worker->good || waiting_ != 0) {
    worker.reset();  // it sees the socket close
    room_.release();
    return;
  }
  worker->idle_since = loop_.now();
  idle_.push_back(std::move(worker));
  if (!ending_) {
    ending_ = true;
    tasks_.spawn(end_idle_workers());
  }
}

event::Task<> Crew::end_idle_workers() {
  while (!idle_.empty()) {
    const bool woken = co_await loop_.sleep(Seconds{1}, stop_);
    if (!woken) break;
    while (!idle_.empty() && loop_.now() - idle_.front()->idle_since >= idle_time) {
      idle_.pop_front();
      room_.release();
    }
  }
  ending_ = false;
}

event::Task<Ending> Crew::store(Identity who, MaildirJob job) {
  if (!as_root_) who = {};
  Pending pending{std::move(job)};
  Group& group = groups_[who];
  group.waiting.push_back(&pending);
  if (!group.serving) {
    group.serving = true;
    tasks_.spawn(serve(who, group));
  }
  if (!pending.done) {
    event::Wait wait(loop_, no_deadline, {});
    pending.waiter = &wait;
    co_await wait;
  }
  co_return std::move(pending.ending);
}

event::Task<> Crew::serve(Identity who, Group& group) {
  // What else is ready in this turn of the loop joins the first group.
  co_await loop_.yield();
  while (!group.waiting.empty()) {
    auto worker = co_await hire(who);
    std::vector<Pending*> batch;
    constexpr std::size_t most = MaildirJobs::most * MaildirJobs::most_frames;
    while (!group.waiting.empty() && batch.size() < most) {
      batch.push_back(group.waiting.front());
      group.waiting.pop_front();
    }
    if (worker) {
      const Lease lease(*this, std::move(*worker));
      const bool answered = co_await store_group(*lease, batch);
      lease->good = answered;
    } else {
      const bool root = worker.error().is(Trouble::permanent);
      if (!root) log_.warning("cannot start a delivery process: {}", worker.error().text());
      for (auto* pending : batch) {
        pending->ending = {root ? Ending::Kind::access : Ending::Kind::temporary, worker.error().text()};
      }
    }
    for (auto* pending : batch) {
      pending->done = true;
      if (pending->waiter != nullptr) pending->waiter->wake();
    }
  }
  group.serving = false;
}

event::Task<bool> Crew::store_group(Worker& worker, const std::vector<Pending*>& batch) {
  try {
    for (std::size_t from = 0; from < batch.size(); from += MaildirJobs::most) {
      MaildirJobs jobs;
      const std::size_t to = std::min(batch.size(), from + MaildirJobs::most);
      for (std::size_t i = from; i < to; ++i) jobs.jobs.push_back(std::move(batch[i]->job));
      jobs.more = to < batch.size();
      worker.channel->put(jobs);
    }
    Endings endings = co_await worker.channel->expect<Endings>(loop_.after(store_limit));
    if (endings.endings.size() == batch.size()) {
      for (std::size_t i = 0; i < batch.size(); ++i) batch[i]->ending = std::move(endings.endings[i]);
      co_return true;
    }
    log_.warning("delivery process {} gave a malformed answer", worker.pid);
  } catch (const io::Ended& ended) {
    log_lost(worker, ended);
  }
  co_return false;
}

event::Task<Ending> Crew::append(Identity who, MboxJob job) {
  // Counted, so that the file's turn lasts as long as anybody waits for it, and no longer.
  struct Use {
    std::map<std::string, Turn>& turns;
    std::map<std::string, Turn>::iterator place;
    Use(std::map<std::string, Turn>& all, const std::string& path, event::Loop& loop)
        : turns(all), place(all.try_emplace(path, loop).first) {
      ++place->second.users;
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use() {
      if (--place->second.users == 0) turns.erase(place);
    }
  };
  const Use use(turns_, job.path, loop_);
  event::Semaphore& turn = use.place->second.free;
  const bool mine = co_await turn.acquire(no_deadline, stop_);
  if (!mine) throw io::Ended{io::Ended::Why::stopped, ""};
  // Each of three locks may take all its attempts.
  const Microseconds patience = job.lock_delay * (job.lock_attempts * 3) + Seconds{600};
  const auto ended = co_await run<Ended>(who, job, patience);
  turn.release();
  if (!ended) co_return Ending{Ending::Kind::temporary, ended.error().text()};
  co_return ended->ending;
}

void Crew::log_lost(const Worker& worker, const io::Ended& ended) {
  if (ended.why == io::Ended::Why::stopped) return;
  log_.warning("delivery process {} of uid {}: {}", worker.pid, worker.identity.uid,
               ended.why == io::Ended::Why::timed_out ? "no answer in time" : "died: " + ended.detail);
}

}  // namespace postrider::local
