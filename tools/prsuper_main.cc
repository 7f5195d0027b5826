// prsuper: deletes, holds, releases, requeues and expires messages, checks and repairs the queue. Options,
// output and log lines of postsuper(1).
#include <algorithm>
#include <cstdio>

#include <fmt/core.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/text.h"
#include "lib/ipc/pool.h"
#include "lib/os/files.h"
#include "lib/os/process.h"
#include "lib/os/socket.h"
#include "lib/protocol/qmgr.h"
#include "lib/protocol/services.h"
#include "lib/queue/admin.h"
#include "tools/command.h"

using namespace postrider;
using protocol::QueueCommand;
using tools::Command;
using Verb = protocol::QueueCommand::Verb;

namespace {

constexpr const char* usage =
    "usage: {0} [-c config_directory] [-d id] [-e id] [-f id] [-h id] [-H id] [-r id] [-p] [-s] [queue ...]\n"
    "  -d  delete a message            -h  put it on hold      -H  release it from hold\n"
    "  -r  requeue it from the start   -e  expire it (-f: even when it is on hold)\n"
    "  -s  check the queue's structure and mend what can be mended\n"
    "  -p  remove what crashed programs left behind\n"
    "An id may be ALL, or - to read ids from standard input. Queues: active deferred hold incoming.\n";

struct Job {
  char letter;
  Verb verb;
  const char* done;     // log text for each message
  const char* counted;  // "Deleted": what stands before ": N messages"
};

constexpr Job jobs[] = {{'d', Verb::remove, "removed", "Deleted"},
                        {'h', Verb::hold, "placed on hold", "Placed on hold"},
                        {'H', Verb::release, "released from hold", "Released from hold"},
                        {'r', Verb::requeue, "requeued", "Requeued"},
                        {'e', Verb::expire, "expired", "Expired"},
                        {'f', Verb::expire, "expired", "Expired"}};

// By the queue manager when it runs, else on the files themselves.
class Executor {
 public:
  Executor(Command& command, std::vector<std::string> queues)
      : command_(command),
        queues_(std::move(queues)),
        loop_(command.clock()),
        admin_(os::system_files(), command.clock(), command.log(),
               queue::Layout(command.paths().queue_directory())) {
    const std::string path = command.paths().queue_directory() + "/" + std::string(protocol::qmgr_intake);
    if (os::connect_unix(path)) pool_ = std::make_unique<ipc::Pool>(loop_, path, 1);
  }

  bool running() const { return pool_ != nullptr; }
  queue::QueueAdmin& admin() { return admin_; }

  Result<std::uint64_t> apply(const Job& job, const std::vector<std::string>& ids, bool all) {
    if (!pool_) return apply_to_files(job, ids, all);
    QueueCommand request;
    request.verb = job.verb;
    request.all = all;
    request.items = ids;
    request.queues = queues_;
    Result<protocol::QueueCommandDone> done =
        loop_.run_until_done(pool_->ask<protocol::QueueCommandDone>(request, loop_.after(Seconds{600})));
    if (!done) return std::unexpected(done.error());
    for (const std::string& id : done->done) command_.log().info("{}: {}", id, job.done);
    return done->count;
  }

 private:
  Result<std::uint64_t> apply_to_files(const Job& job, std::vector<std::string> ids, bool all) {
    if (all) {
      ids.clear();
      for (const queue::Shelf shelf : {queue::Shelf::deferred, queue::Shelf::hold}) {
        if (!queues_.empty() && std::find(queues_.begin(), queues_.end(), shelf_name(shelf)) == queues_.end())
          continue;
        const Result<> listed = admin_.list(shelf, [&](const queue::Listed& message) {
          ids.push_back(message.envelope.id.text());
          return true;
        });
        if (!listed) return std::unexpected(listed.error());
      }
    }
    std::uint64_t count = 0;
    for (const std::string& text : ids) {
      const auto id = queue::QueueId::parse(text);
      if (!id) continue;
      Result<> done;
      switch (job.verb) {
        case Verb::remove: done = admin_.remove(*id); break;
        case Verb::hold: done = admin_.hold(*id); break;
        case Verb::release: done = admin_.release(*id); break;
        case Verb::requeue: done = admin_.requeue(*id); break;
        default: done = admin_.expire(*id);
      }
      if (!done) {
        if (!done.error().is(Trouble::not_found)) command_.warning(text + ": " + done.error().text());
        continue;
      }
      command_.log().info("{}: {}", text, job.done);
      ++count;
    }
    return count;
  }

  Command& command_;
  std::vector<std::string> queues_;
  event::Loop loop_;
  queue::QueueAdmin admin_;
  std::unique_ptr<ipc::Pool> pool_;
};

std::vector<std::string> ids_from_input() {
  std::vector<std::string> ids;
  char line[256];
  while (std::fgets(line, sizeof line, stdin)) {
    const std::string_view id = trim(line);
    if (!id.empty()) ids.emplace_back(id);
  }
  return ids;
}

int report(Command& command, const char* verb, std::uint64_t count) {
  if (count == 0) return EX_OK;
  const std::string text = fmt::format("{}: {} message{}", verb, count, count == 1 ? "" : "s");
  fmt::print(stderr, "{}: {}\n", command.program(), text);
  command.log().info("{}", text);
  return EX_OK;
}

int check(Command& command, Executor& executor, bool purge) {
  if (!purge && executor.running()) {
    command.warning("the mail system runs: the structure is checked, nothing is repaired");
  }
  const Result<std::vector<queue::QueueAdmin::Problem>> problems =
      purge ? executor.admin().purge(executor.running()) : executor.admin().check(!executor.running());
  if (!problems) return command.fatal(EX_UNAVAILABLE, problems.error().text());
  for (const auto& problem : *problems) {
    const std::string text =
        fmt::format("{}: {}{}", problem.path, problem.text, problem.repaired ? " (repaired)" : "");
    command.warning(text);
    command.log().warning("{}", text);
  }
  return EX_OK;
}

}  // namespace

int main(int argc, char** argv) {
  os::open_standard_streams();
  Command command(argv[0], "prsuper", "postsuper");
  const Result<tools::Options> parsed = tools::parse_options(argc, argv, "c:d:e:f:h:H:pr:sSv");
  if (!parsed) {
    fmt::print(stderr, fmt::runtime(usage), command.program());
    return command.fatal(EX_USAGE, parsed.error().text());
  }
  if (parsed->help) {
    fmt::print(fmt::runtime(usage), command.program());
    return EX_OK;
  }
  std::string directory;
  for (const auto& [letter, text] : parsed->options)
    if (letter == 'c') directory = text;
  for (const std::string& name : parsed->operands)
    if (name != "active" && name != "deferred" && name != "hold" && name != "incoming" &&
        name != "maildrop" && name != "corrupt")
      return command.fatal(EX_USAGE, "\"" + name + "\" is no queue; active, deferred, hold and incoming are");
  if (!command.open(directory)) return EX_CONFIG;
  if (::geteuid() != 0 && ::access((command.paths().queue_directory() + "/deferred").c_str(), W_OK) != 0)
    return command.fatal(EX_NOPERM, "use of this command is reserved for the superuser");
  Executor executor(command, parsed->operands);
  bool anything = false;
  for (const auto& [letter, text] : parsed->options) {
    if (letter == 'c' || letter == 'v' || letter == 'S') continue;
    anything = true;
    if (letter == 's' || letter == 'p') {
      if (const int status = check(command, executor, letter == 'p'); status != EX_OK) return status;
      continue;
    }
    for (const Job& job : jobs) {
      if (job.letter != letter) continue;
      const std::vector<std::string> ids = text == "-" ? ids_from_input() : std::vector<std::string>{text};
      // qmgr takes so many at a time.
      std::uint64_t count = 0;
      for (std::size_t from = 0; from < ids.size() || from == 0; from += 10'000) {
        const std::size_t to = std::min(ids.size(), from + 10'000);
        const bool all = ids.size() == 1 && ids[0] == "ALL";
        const Result<std::uint64_t> done = executor.apply(
            job,
            {ids.begin() + static_cast<std::ptrdiff_t>(from), ids.begin() + static_cast<std::ptrdiff_t>(to)},
            all);
        if (!done) return command.fatal(EX_TEMPFAIL, done.error().text());
        count += *done;
      }
      report(command, job.counted, count);
    }
  }
  if (!anything) {
    if (const int status = check(command, executor, false); status != EX_OK) return status;
    return check(command, executor, true);
  }
  return EX_OK;
}
