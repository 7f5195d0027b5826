#include "pickup/collector.h"

#include <sys/stat.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <memory>

#include "lib/event/scope.h"
#include "lib/event/watch.h"
#include "lib/os/socket.h"
#include "lib/protocol/bounce.h"
#include "lib/protocol/services.h"
#include "tests/unit/os/faulty_files.h"

using namespace postrider;
using namespace postrider::pickup;
using Outcome = protocol::Submitted::Outcome;

namespace {

// A pickup in a queue directory of the test's own, with a cleanup and a bounce that answer as told.
struct Site {
  os::test::TemporaryDirectory directory;
  std::vector<std::string> words{"pickup", "-c", directory.path()};
  std::vector<char*> argv;
  Sections sections;
  std::unique_ptr<daemon::Daemon> daemon;
  event::StopSource stop;
  os::Fd cleanup_socket, bounce_socket;
  std::unique_ptr<Collector> collector;
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
    collector = std::make_unique<Collector>(*daemon, sections);
    collector->start();
    scope = std::make_unique<event::TaskScope>(daemon->loop());
    scope->spawn(accept(cleanup_socket, true));
    scope->spawn(accept(bounce_socket, false));
  }
  ~Site() {
    stop.stop();
    daemon->loop().run_until_done(scope->join());
    collector.reset();
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
        protocol::Submitted submitted;
        submitted.outcome = answer;
        submitted.id = one.envelope.id.text();
        taken.push_back(std::move(one));
        co_await channel.send(submitted, no_deadline);
      }
    } catch (const io::Ended&) {
    }
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

}  // namespace

TEST_CASE("a submission goes to cleanup with a Received header and then from maildrop") {
  Site site;
  site.drop("bob@example.com", "Subject: x\n\nbody\n");
  site.collect();
  CHECK(site.count("maildrop") == 0);
  REQUIRE(site.taken.size() == 1);
  const auto& one = site.taken[0];
  CHECK(one.content.starts_with("Received: by mail.example.org (Postrider, from userid " +
                                std::to_string(::getuid()) + ")\n\tid " + one.envelope.id.text() + "; "));
  CHECK(one.content.ends_with("\nSubject: x\n\nbody\n"));
  CHECK(one.envelope.submitter_uid == ::getuid());
  CHECK(one.envelope.arrival > WallTime{});
  CHECK(one.origin == protocol::Submit::Origin::local);
  CHECK(site.log().find(one.envelope.id.text() + ": uid=" + std::to_string(::getuid()) +
                        " from=<ann@example.org>\n") != std::string::npos);
}

TEST_CASE("hundreds of submissions are all taken, large ones too") {
  Site site;
  for (int i = 0; i < 300; ++i) site.drop("bob@example.com", std::string(i == 7 ? 500'000 : 100, 'x'));
  site.collect();
  CHECK(site.count("maildrop") == 0);
  CHECK(site.taken.size() == 300);
}

TEST_CASE("what cleanup cannot take now stays for the next time") {
  Site site;
  site.drop("bob@example.com", "text");
  for (const Outcome outcome : {Outcome::no_space, Outcome::temporary}) {
    site.answer = outcome;
    site.collect();
    CHECK(site.count("maildrop") == 1);
  }
  site.answer = Outcome::queued;
  site.collect();
  CHECK(site.count("maildrop") == 0);
}

TEST_CASE("a cleanup that dies under a submission is asked again") {
  Site site;
  site.vanish = 2;
  site.drop("bob@example.com", "text");
  site.collect();
  CHECK(site.count("maildrop") == 0);
  CHECK(site.taken.size() == 1);
}

TEST_CASE("what will never be accepted is returned to its sender, and kept until that is done") {
  Site site;
  site.drop("bob@example.com", "text");
  site.answer = Outcome::too_large;
  site.bounce_answer = false;
  site.collect();
  CHECK(site.count("maildrop") == 1);
  site.bounce_answer = true;
  site.collect();
  CHECK(site.count("maildrop") == 0);
  REQUIRE(site.bounced.size() == 2);
  CHECK(site.bounced[1].sender == "ann@example.org");
  CHECK(site.bounced[1].recipients[0].address == "bob@example.com");
  CHECK_FALSE(site.bounced[1].recipients[0].dsn.empty());
}

TEST_CASE("a requeued message keeps its history") {
  Site site;
  site.drop("bob@example.com", "text", "ABCDEF");
  site.collect();
  REQUIRE(site.taken.size() == 1);
  CHECK(site.taken[0].envelope.orig_queue_id == "ABCDEF");
  CHECK(site.taken[0].origin == protocol::Submit::Origin::internal);
  CHECK(site.log().find(" orig_id=ABCDEF\n") != std::string::npos);
}

TEST_CASE("a hostile file in maildrop goes to corrupt and holds up nobody") {
  Site site;
  const std::string name = "m" + std::string(32, 'a');
  REQUIRE(os::replace_file(os::system_files(), "maildrop/" + name, std::string(100, '\0'), 0600));
  REQUIRE(::symlink("/etc/passwd", ("maildrop/m" + std::string(32, 'b')).c_str()) == 0);
  REQUIRE(::mkfifo(("maildrop/m" + std::string(32, 'c')).c_str(), 0600) == 0);
  REQUIRE(os::replace_file(os::system_files(), "maildrop/tunfinished", "x", 0600));
  site.drop("bob@example.com", "text");
  site.collect();
  CHECK(site.taken.size() == 1);
  CHECK(site.count("corrupt") == 3);
  CHECK(site.count("maildrop") == 1);  // the unfinished one is somebody's still
}
