#include "bounce/server.h"

#include <catch2/catch.hpp>
#include <deque>

#include <stdlib.h>
#include <unistd.h>

#include "lib/event/scope.h"
#include "lib/event/watch.h"
#include "lib/os/socket.h"

using namespace postrider;
using protocol::Notified;
using protocol::Notify;
using protocol::Submitted;

namespace {

// A cleanup that keeps what it is given and answers from a list, "queued" when that is empty.
struct FakeCleanup {
  explicit FakeCleanup(event::Loop& event_loop) : loop(event_loop) {
    char pattern[] = "/tmp/bounce-test-XXXXXX";
    directory = ::mkdtemp(pattern);
    path = directory + "/cleanup";
    listener = os::listen_unix(path, 0600).value();
  }
  ~FakeCleanup() {
    ::unlink(path.c_str());
    ::rmdir(directory.c_str());
  }

  event::Task<> accept() {
    event::Watch watch(loop, listener.get());
    while (true) {
      const event::Woken woken = co_await watch.readable(no_deadline, stop.token());
      if (woken != event::Woken::ready) co_return;
      os::Fd client = os::accept(listener).value();
      if (client) scope.spawn(serve(std::move(client)));
    }
  }

  event::Task<> serve(os::Fd client) {
    ipc::Channel channel(loop, std::move(client), stop.token());
    try {
      while (true) co_await serve_one(channel);
    } catch (const io::Ended&) {
    }
  }

  event::Task<> serve_one(ipc::Channel& channel) {
    co_await channel.expect<protocol::ReserveIds>(no_deadline);
    const queue::QueueId id = queue::QueueId::make_short(clock_now() + Seconds{++ids}, 1);
    co_await channel.send(protocol::ReservedIds{{id.text()}}, no_deadline);
    protocol::Submit submit = co_await channel.expect<protocol::Submit>(no_deadline);
    CHECK(submit.origin == protocol::Submit::Origin::internal);
    std::string content;
    while (true) {
      ipc::Frame frame = co_await channel.receive(no_deadline);
      auto part = frame.as<protocol::Content>();
      if (!part) break;
      content += part->bytes;
    }
    Submitted answer;
    answer.outcome = outcomes.empty() ? Submitted::Outcome::queued : outcomes.front();
    if (!outcomes.empty()) outcomes.pop_front();
    answer.id = id.text();
    if (hang_ups > 0) {
      --hang_ups;
      throw io::Ended{io::Ended::Why::lost, ""};
    }
    envelopes.push_back(queue::decode_envelope(submit.envelope).value());
    contents.push_back(content);
    co_await channel.send(answer, no_deadline);
  }
  WallTime clock_now() const { return loop.clock().wall(); }

  event::Loop& loop;
  std::string directory, path;
  os::Fd listener;
  event::StopSource stop;
  std::deque<Submitted::Outcome> outcomes;
  int hang_ups = 0;
  int ids = 0;
  std::vector<queue::Envelope> envelopes;
  std::vector<std::string> contents;
  event::TaskScope scope{loop};
};

struct Bench {
  ManualClock clock;
  event::Loop loop{clock};
  MemoryLog log;
  FakeCleanup cleanup{loop};

  Notified ask(const std::string& content, const std::string& sender = "ann@example.org",
               bool listening = true) {
    bounce::Rules rules;
    rules.hostname = "mail.example.org";
    rules.mail_name = "Postrider";
    rules.origin = "example.org";
    rules.double_bounce_sender = "double-bounce@example.org";
    queue::Envelope e;
    e.id = queue::QueueId::make_short(clock.wall(), 1);
    id = e.id.text();
    e.sender = sender;
    e.recipients.resize(1);
    e.recipients[0].address = "bob@example.net";
    e.recipients[0].dsn = "5.1.1";
    e.recipients[0].reason = "no such user";
    Notify request;
    request.envelope = queue::encode(e).value();
    const std::string_view parts[] = {"garbage in front\n", content};
    request.content.fd = os::memory_file("content", parts).value();
    request.content.offset = parts[0].size();
    request.content.length = content.size();
    bounce::Server server(loop, log, os::system_files(), rules, cleanup.path, cleanup.stop.token());
    if (listening) cleanup.scope.spawn(cleanup.accept());
    Notified answer = loop.run_until_done(server.notify(std::move(request)));
    cleanup.stop.stop();
    loop.run_until_done(cleanup.scope.join());
    return answer;
  }
  std::string id;
};

const std::string letter = "Subject: x\n\nbody\n";

}  // namespace

TEST_CASE("a notification is answered once cleanup has it") {
  Bench bench;
  const Notified answer = bench.ask(letter);
  CHECK(answer.done);
  REQUIRE(bench.cleanup.contents.size() == 1);
  CHECK(bench.cleanup.contents[0].find(letter) != std::string::npos);
  CHECK(bench.cleanup.contents[0].find("garbage") == std::string::npos);
  CHECK(bench.cleanup.envelopes[0].sender.empty());
  CHECK(bench.cleanup.envelopes[0].recipients.at(0).address == "ann@example.org");
  CHECK(bench.cleanup.envelopes[0].id.text() == answer.id);
  CHECK(bench.log.contains(bench.id + ": sender non-delivery notification: " + answer.id + "\n"));
}

TEST_CASE("what cleanup cannot take now is asked for again later") {
  Bench bench;
  bench.cleanup.outcomes = {Submitted::Outcome::no_space};
  const Notified answer = bench.ask(letter);
  CHECK_FALSE(answer.done);
  CHECK(answer.trouble == "no space for the notification");
  CHECK(answer.id.empty());
}

TEST_CASE("a notice that is too large is sent again without the body") {
  Bench bench;
  bench.cleanup.outcomes = {Submitted::Outcome::too_large};
  const Notified answer = bench.ask(letter);
  CHECK(answer.done);
  REQUIRE(bench.cleanup.contents.size() == 2);
  CHECK(bench.cleanup.contents[0].find("body") != std::string::npos);
  CHECK(bench.cleanup.contents[1].find("body") == std::string::npos);
  CHECK(bench.cleanup.contents[1].find("Subject: x") != std::string::npos);
}

TEST_CASE("a cleanup that dies is asked again, and not for ever") {
  Bench once;
  once.cleanup.hang_ups = 1;
  CHECK(once.ask(letter).done);
  CHECK(once.cleanup.contents.size() == 1);
  Bench always;
  always.cleanup.hang_ups = 100;
  CHECK_FALSE(always.ask(letter).done);
  CHECK(always.cleanup.hang_ups == 97);
}

TEST_CASE("a cleanup that never answers is not waited for beyond patience") {
  Bench bench;
  const Notified answer = bench.ask(letter, "ann@example.org", false);
  CHECK_FALSE(answer.done);
  CHECK(answer.trouble == "cleanup does not answer");
}

TEST_CASE("a bounced bounce is done without a message") {
  Bench bench;
  const Notified answer = bench.ask(letter, "");
  CHECK(answer.done);
  CHECK(answer.id.empty());
  CHECK(bench.cleanup.contents.empty());
  CHECK(bench.log.contains(bench.id + ": undeliverable mail without sender discarded"));
}

TEST_CASE("a request that does not decode is refused without harm") {
  Bench bench;
  bounce::Server server(bench.loop, bench.log, os::system_files(), {}, bench.cleanup.path,
                        bench.cleanup.stop.token());
  Notify request;
  request.envelope = "nonsense";
  const Notified answer = bench.loop.run_until_done(server.notify(std::move(request)));
  CHECK_FALSE(answer.done);
  CHECK_FALSE(answer.trouble.empty());
}
