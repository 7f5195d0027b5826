// A cleanup server in a queue directory of the test's own, with a rewrite service that completes addresses
// with example.org and a queue manager that remembers what it was told.
#pragma once

#include <unistd.h>
#include <catch2/catch.hpp>

#include <memory>
#include <string>
#include <vector>

#include "cleanup/server.h"
#include "lib/event/scope.h"
#include "lib/event/watch.h"
#include "lib/os/socket.h"
#include "lib/protocol/cleanup.h"
#include "lib/protocol/qmgr.h"
#include "lib/protocol/rewrite.h"
#include "lib/protocol/services.h"
#include "lib/queue/queue_reader.h"
#include "tests/unit/os/faulty_files.h"

namespace postrider::cleanup::test {

struct Site {
  os::test::TemporaryDirectory directory;
  std::string main_cf;
  std::vector<std::string> words{"cleanup", "-c", directory.path()};
  std::vector<char*> argv;
  Sections sections;
  std::unique_ptr<daemon::Daemon> daemon;
  event::StopSource stop;
  os::Fd rewrite_socket, qmgr_socket;
  std::unique_ptr<Server> server;
  std::unique_ptr<event::TaskScope> scope;
  std::vector<protocol::Queued> announced;
  std::size_t rewritten = 0;  // addresses asked for

  explicit Site(const std::string& settings = "") {
    auto& files = os::system_files();
    main_cf = "compatibility_level = 3.6\nqueue_directory = " + directory.path() +
              "\nmaillog_file = " + directory.path() +
              "/log\nmaillog_file_prefixes = /tmp\nmyhostname = mail.example.org\nmyorigin = example.org\n"
              "mydestination = example.org\nalias_maps =\nqueue_segment_size = 1048576\n" +
              settings;
    REQUIRE(os::replace_file(files, directory / "main.cf", main_cf, 0600));
    REQUIRE(files.mkdir(directory / "private", 0700));
    for (std::string& word : words) argv.push_back(word.data());
    daemon = std::make_unique<daemon::Daemon>(static_cast<int>(argv.size()), argv.data(),
                                              daemon::Declaration{.name = "cleanup"});
    REQUIRE(daemon->start(sections.all()));
    rewrite_socket = std::move(*os::listen_unix("private/rewrite", 0600));
    qmgr_socket = std::move(*os::listen_unix(std::string(protocol::qmgr_intake), 0600));
    server = std::make_unique<Server>(*daemon, sections);
    REQUIRE(server->open_tables());
    REQUIRE(server->open());
    scope = std::make_unique<event::TaskScope>(daemon->loop());
    scope->spawn(accept(rewrite_socket, true));
    scope->spawn(accept(qmgr_socket, false));
    scope->spawn(server->run(stop.token()));
  }
  ~Site() {
    stop.stop();
    daemon->loop().run_until_done(scope->join());
    scope.reset();
    server.reset();
    static_cast<void>(::chdir("/"));
  }

  event::Task<> accept(const os::Fd& socket, bool rewrite) {
    event::Watch watch(daemon->loop(), socket.get());
    event::TaskScope clients(daemon->loop());
    while (!stop.stopped()) {
      auto client = os::accept(socket);
      if (client && *client) {
        if (rewrite)
          clients.spawn(serve_rewrite(std::move(*client)));
        else
          clients.spawn(serve_qmgr(std::move(*client)));
        continue;
      }
      co_await watch.readable(no_deadline, stop.token());
    }
    co_await clients.join();
  }
  event::Task<> serve_rewrite(os::Fd client) {
    ipc::Channel channel(daemon->loop(), std::move(client), stop.token());
    try {
      for (;;) {
        auto question = co_await channel.expect<protocol::Rewrite>(no_deadline);
        protocol::Rewritten answer;
        for (std::string& address : question.addresses) {
          ++rewritten;
          if (address.find('@') == std::string::npos) address += "@example.org";
          answer.addresses.push_back(address);
        }
        co_await channel.send(answer, no_deadline);
      }
    } catch (const io::Ended&) {
    }
  }
  event::Task<> serve_qmgr(os::Fd client) {
    ipc::Channel channel(daemon->loop(), std::move(client), stop.token());
    try {
      for (;;) {
        auto queued = co_await channel.expect<protocol::Queued>(no_deadline);
        announced.push_back(std::move(queued));
      }
    } catch (const io::Ended&) {
    }
  }

  static queue::Envelope envelope(const std::vector<std::string>& recipients,
                                  const std::string& sender = "ann@example.net") {
    queue::Envelope e;
    e.sender = sender;
    for (const std::string& address : recipients) e.recipients.emplace_back().address = address;
    return e;
  }

  using Origin = protocol::Submit::Origin;
  // A whole submission over a channel, content in pieces of `step` bytes.
  protocol::Submitted submit(const queue::Envelope& envelope, const std::string& content,
                             Origin origin = Origin::network, std::size_t step = 60'000,
                             bool mappings = true) {
    return daemon->loop().run_until_done(converse(envelope, content, origin, step, mappings));
  }
  event::Task<protocol::Submitted> converse(queue::Envelope envelope, std::string content, Origin origin,
                                            std::size_t step, bool mappings) {
    auto ends = os::socket_pair();
    event::TaskScope serving(daemon->loop());
    serving.spawn(serve(std::move(ends->first)));
    ipc::Channel channel(daemon->loop(), std::move(ends->second));
    protocol::Submit submit;
    submit.envelope = queue::encode(envelope).value();
    submit.origin = origin;
    submit.skip_mappings = !mappings;
    channel.put(submit);
    for (std::size_t at = 0; at < content.size(); at += step) {
      protocol::Content piece;
      piece.bytes = content.substr(at, step);
      co_await channel.send(piece, no_deadline);
    }
    channel.put(protocol::ContentEnd{});
    auto submitted = co_await channel.expect<protocol::Submitted>(no_deadline);
    co_return submitted;
  }
  event::Task<> serve(os::Fd socket) {
    ipc::Channel channel(daemon->loop(), std::move(socket));
    try {
      for (;;) {
        ipc::Frame frame = co_await channel.receive(no_deadline);
        co_await server->converse(channel, std::move(frame));
        co_await channel.flush(no_deadline);
      }
    } catch (const io::Ended&) {
    }
  }

  struct Stored {
    queue::Envelope envelope;
    std::string content;
    std::vector<std::string> recipients() const {
      std::vector<std::string> all;
      for (const auto& r : envelope.recipients) all.push_back(r.address);
      return all;
    }
  };
  // The messages in the journal, oldest first.
  std::vector<Stored> stored() {
    std::vector<Stored> all;
    queue::QueueReader reader(os::system_files(), queue::Layout("."));
    for (const auto name : *reader.segments()) {
      auto scan = reader.scan(name);
      for (auto found = scan->next(); found && *found; found = scan->next()) {
        auto message = reader.read((*found)->place);
        REQUIRE(message);
        const auto content = message->content.read(os::system_files(), 0, message->content.length);
        REQUIRE(content);
        all.push_back({message->envelope, *content});
      }
    }
    return all;
  }
  Stored only() {
    auto all = stored();
    REQUIRE(all.size() == 1);
    return all.front();
  }
  std::string log() { return *os::read_file(os::system_files(), directory / "log", 1 << 20); }
  void wait_for_announcements(std::size_t count) {
    daemon->loop().run_until_done([](Site& site, std::size_t wanted) -> event::Task<> {
      while (site.announced.size() < wanted) co_await site.daemon->loop().sleep(Milliseconds{1});
    }(*this, count));
  }
};

}  // namespace postrider::cleanup::test
