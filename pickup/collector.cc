#include "pickup/collector.h"

#include <unistd.h>

#include <algorithm>
#include <vector>

#include "lib/event/scope.h"

namespace postrider::pickup {

namespace {

constexpr std::size_t names_per_pass = 1000;
}  // namespace

Collector::Collector(daemon::Daemon& daemon, Submitter& submitter)
    : daemon_(daemon), submitter_(submitter), at_once_(daemon.loop(), submissions_at_once) {}

void Collector::start() { workers_ = std::make_unique<event::Workers>(daemon_.loop(), 2); }

event::Task<> Collector::collect() {
  bool more = true;
  while (more && !daemon_.draining()) more = co_await pass();
}

// True when something was taken, so that more may be waiting.
event::Task<bool> Collector::pass() {
  std::erase_if(submitted_, [&](const std::string& name) { return unlinked(name); });
  std::vector<std::string> names;
  const Result<> listed = daemon_.files().list(layout_.maildrop(), [&](std::string_view name) {
    if (queue::is_maildrop_name(name) && !submitted_.contains(std::string(name))) names.emplace_back(name);
    return names.size() < names_per_pass;
  });
  if (!listed) {
    daemon_.log().warning("{}", listed.error().text());
    co_return false;
  }
  {
    event::TaskScope scope(daemon_.loop());
    for (const std::string& name : names) {
      const bool may = co_await at_once_.acquire(no_deadline, daemon_.drain_token());
      if (!may) break;
      scope.spawn(take(name));
    }
    co_await scope.join();
  }
  const bool progress = std::ranges::any_of(names, [&](const std::string& name) {
    return !daemon_.files().lstat(layout_.maildrop() + "/" + name);
  });
  co_return progress;
}

event::Task<> Collector::take(std::string name) {
  struct Place {
    event::Semaphore& semaphore;
    ~Place() { semaphore.release(); }
  };
  const Place place{at_once_};
  const std::string path = layout_.maildrop() + "/" + name;
  const uid_t owner = ::geteuid();
  Result<queue::Submission> submission = fail(Trouble::temporary, "");
  co_await workers_->run([&] { submission = queue::read_submission(daemon_.files(), path, owner); });
  if (!submission) {
    if (submission.error().is(Trouble::not_found)) co_return;  // prsuper was faster
    if (submission.error().is(Trouble::permanent))
      keep_damaged(name, submission.error());
    else
      daemon_.log().warning("{}", submission.error().text());
    co_return;
  }
  try {
    const bool done = co_await submitter_.hand_over(*submission, "maildrop/" + name);
    if (done) remove(name);
  } catch (const io::Ended&) {
    // Told to stop: the file stays.
  }
}

void Collector::keep_damaged(const std::string& name, const Error& error) {
  daemon_.log().warning("{}; kept in corrupt/", error.text());
  if (const Result<> moved = daemon_.files().rename(layout_.maildrop() + "/" + name,
                                                    layout_.shelf(queue::Shelf::corrupt) + "/" + name);
      !moved)
    daemon_.log().warning("{}", moved.error().text());
}

bool Collector::unlinked(const std::string& name) {
  const Result<> removed = daemon_.files().unlink(layout_.maildrop() + "/" + name);
  if (removed || removed.error().is(Trouble::not_found)) return true;
  daemon_.log().error("{}; will try again", removed.error().text());
  return false;
}

void Collector::remove(const std::string& name) {
  if (!unlinked(name)) submitted_.insert(name);
}

}  // namespace postrider::pickup
