#include "local/worker.h"

#include <csignal>
#include <cstdio>
#include <string_view>

#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/event/loop.h"
#include "lib/ipc/channel.h"
#include "local/worker_jobs.h"

namespace postrider::local {

namespace {

constexpr unsigned sync_threads = 16;

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
}

class Worker {
 public:
  Worker(event::Loop& loop, ipc::Channel& channel)
      : loop_(loop),
        channel_(channel),
        maildirs_(os::system_files(), loop.clock(), host_name(), sync_threads),
        tools_{os::system_files(), loop.clock(), maildirs_} {}

  // Ends when the agent closed the socket or sent what is none of these jobs.
  event::Task<> serve() {
    try {
      while (true) {
        ipc::Frame frame = co_await channel_.receive(no_deadline);
        co_await answer(std::move(frame));
        co_await channel_.flush(no_deadline);
      }
    } catch (const io::Ended&) {
      // The agent is gone: whatever was not answered is delivered again by another one.
    }
  }

 private:
  event::Task<> answer(ipc::Frame frame) {
    if (frame.is<MaildirJobs>()) {
      co_await store(std::move(frame));
    } else if (auto mbox = frame.as<MboxJob>()) {
      channel_.put(Ended{store_in_mbox(tools_, *mbox)});
    } else if (auto command = frame.as<CommandJob>()) {
      channel_.put(run_command(tools_, *command));
    } else if (auto targets = frame.as<TargetsJob>()) {
      channel_.put(read_targets(tools_, *targets));
    } else if (auto mail = frame.as<ForwardJob>()) {
      const Forwarded forwarded = co_await forward(tools_, loop_, *mail);
      channel_.put(forwarded);
    } else {
      throw io::Ended{io::Ended::Why::lost, "unknown job"};
    }
  }

  event::Task<> store(ipc::Frame frame) {
    std::vector<MaildirJob> jobs;
    while (true) {
      auto part = frame.as<MaildirJobs>();
      if (!part) throw io::Ended{io::Ended::Why::lost, "malformed job"};
      for (auto& job : part->jobs) jobs.push_back(std::move(job));
      if (!part->more) break;
      frame = co_await channel_.receive(no_deadline);
    }
    Endings endings;
    endings.endings = store_in_maildirs(tools_, jobs);
    channel_.put(endings);
  }

  event::Loop& loop_;
  ipc::Channel& channel_;
  mailbox::MaildirDelivery maildirs_;
  WorkerTools tools_;
};

}  // namespace

bool is_worker(int argc, char** argv) { return argc == 2 && std::string_view(argv[1]) == "--worker"; }

int run_worker() {
  // Nobody's mail is stored, and nobody's commands run, with root's rights.
  if (::getuid() == 0 || ::geteuid() == 0) {
    std::fputs("a delivery worker does not run as root\n", stderr);
    return 1;
  }
  ::umask(077);
  std::signal(SIGPIPE, SIG_IGN);
  // Privileges by set-gid programs stay possible: commands send mail, and prdrop is one of those.
  SystemClock clock;
  event::Loop loop(clock);
  ipc::Channel channel(loop, os::Fd(worker_socket));
  Worker worker(loop, channel);
  loop.run_until_done(worker.serve());
  return 0;
}

}  // namespace postrider::local
