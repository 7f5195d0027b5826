// A pickup in a queue directory of the test's own, with a cleanup and a bounce that answer as told.
#pragma once

#include <sys/stat.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <memory>
#include <string>
#include <vector>

#include "lib/event/scope.h"
#include "lib/event/watch.h"
#include "lib/os/socket.h"
#include "lib/protocol/bounce.h"
#include "lib/protocol/services.h"
#include "pickup/collector.h"
#include "pickup/intake.h"
#include "tests/unit/os/faulty_files.h"

namespace postrider::pickup::test {

using Outcome = protocol::Submitted::Outcome;

struct Site {
  os::test::TemporaryDirectory directory;
  std::vector<std::string> words{"pickup", "-c", directory.path()};
  std::vector<char*> argv;
  Sections sections;
  std::unique_ptr<daemon::Daemon> daemon;
  event::StopSource stop;
  os::Fd cleanup_socket, bounce_socket;
  std::unique_ptr<Submitter> submitter;
  std::unique_ptr<Collector> collector;
  std::unique_ptr<Intake> intake;
  std::unique_ptr<event::TaskScope> scope;

  struct Taken {
    queue::Envelope envelope;
    std::string content;
    protocol::Submit::Origin origin{};
  };
  std::vector<Taken> taken;
  std::vector<queue::Envelope> bounced;
  Outcome answer = Outcome::queued;
  bool bounce_answer = true;
  int vanish = 0;  // so many conversations end without an answer
  unsigned next_id = 1;

  Site() {
    auto& files = os::system_files();
    REQUIRE(os::replace_file(files, directory / "main.cf",
                             "compatibility_level = 3.6\nqueue_directory = " + directory.path() +
                                 "\nmaillog_file = " + directory.path() +
                                 "/log\nmaillog_file_prefixes = /tmp\nmyhostname = mail.example.org\n",
                             0600));
    for (const char* name : {"private", "public", "maildrop", "corrupt"})
      REQUIRE(files.mkdir(directory / name, 0700));
    for (std::string& word : words) argv.push_back(word.data());
    daemon = std::make_unique<daemon::Daemon>(static_cast<int>(argv.size()), argv.data(),
                                              daemon::Declaration{.name = "pickup"});
    REQUIRE(daemon->start(sections.all()));
    cleanup_socket = std::move(*os::listen_unix("public/cleanup", 0600));
    bounce_socket = std::move(*os::listen_unix("private/bounce", 0600));
    submitter = std::make_unique<Submitter>(*daemon, sections);
    intake = std::make_unique<Intake>(*daemon, sections, *submitter);
    collector = std::make_unique<Collector>(*daemon, *submitter);
    collector->start();
    scope = std::make_unique<event::TaskScope>(daemon->loop());
    scope->spawn(accept(cleanup_socket, true));
    scope->spawn(accept(bounce_socket, false));
  }
  ~Site() {
    stop.stop();
    daemon->loop().run_until_done(scope->join());
    collector.reset();
    intake.reset();
    submitter.reset();
    scope.reset();
    static_cast<void>(::chdir("/"));
  }

  event::Task<> accept(const os::Fd& socket, bool is_cleanup) {
    event::Watch watch(daemon->loop(), socket.get());
    event::TaskScope clients(daemon->loop());
    while (!stop.stopped()) {
      auto client = os::accept(socket);
      if (client && *client) {
        clients.spawn(is_cleanup ? cleanup(std::move(*client)) : bounce(std::move(*client)));
        continue;
      }
      co_await watch.readable(no_deadline, stop.token());
    }
    co_await clients.join();
  }
  event::Task<> cleanup(os::Fd client) {
    ipc::Channel channel(daemon->loop(), std::move(client), stop.token());
    try {
      for (;;) {
        ipc::Frame frame = co_await channel.receive(no_deadline);
        if (const auto reserve = frame.as<protocol::ReserveIds>()) {
          protocol::ReservedIds ids;
          for (unsigned i = 0; i < reserve->count; ++i)
            ids.ids.push_back(queue::QueueId::make_short(WallTime(Seconds(next_id++)), 0).text());
          co_await channel.send(ids, no_deadline);
          continue;
        }
        if (const auto whole = frame.as<protocol::SubmitWhole>()) {
          Taken one{*queue::decode_envelope(whole->submit.envelope), whole->content, whole->submit.origin};
          if (vanish > 0) {
            --vanish;
            co_return;
          }
          co_await channel.send(submitted(std::move(one)), no_deadline);
          continue;
        }
        const auto submit = frame.as<protocol::Submit>();
        if (!submit) co_return;
        Taken one{*queue::decode_envelope(submit->envelope), "", submit->origin};
        for (;;) {
          ipc::Frame next = co_await channel.receive(no_deadline);
          const auto content = next.as<protocol::Content>();
          if (!content) break;
          one.content += content->bytes;
        }
        if (vanish > 0) {
          --vanish;
          co_return;
        }
        co_await channel.send(submitted(std::move(one)), no_deadline);
      }
    } catch (const io::Ended&) {
    }
  }
  protocol::Submitted submitted(Taken one) {
    protocol::Submitted verdict;
    verdict.outcome = answer;
    verdict.id = one.envelope.id.text();
    taken.push_back(std::move(one));
    return verdict;
  }
  event::Task<> bounce(os::Fd client) {
    ipc::Channel channel(daemon->loop(), std::move(client), stop.token());
    try {
      for (;;) {
        auto notify = co_await channel.expect<protocol::Notify>(no_deadline);
        CHECK(notify.content.length > 0);
        bounced.push_back(*queue::decode_envelope(notify.envelope));
        protocol::Notified notified;
        notified.done = bounce_answer;
        co_await channel.send(notified, no_deadline);
      }
    } catch (const io::Ended&) {
    }
  }

  std::string drop(const std::string& recipient, const std::string& content,
                   const std::string& requeued = "") {
    queue::Envelope e;
    e.sender = "ann@example.org";
    e.recipients.emplace_back().address = recipient;
    e.orig_queue_id = requeued;
    auto writer = queue::MaildropWriter::create(os::system_files(), "maildrop", e);
    REQUIRE(writer);
    REQUIRE(writer->append(content));
    return *writer->commit();
  }
  void collect() { daemon->loop().run_until_done(collector->collect()); }
  std::size_t count(const std::string& name) {
    std::size_t found = 0;
    REQUIRE(os::system_files().list(name, [&](std::string_view) { return ++found > 0; }));
    return found;
  }
  std::string log() { return *os::read_file(os::system_files(), "log", 1 << 20); }
};

}  // namespace postrider::pickup::test
