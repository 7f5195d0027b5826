// An smtpd server in a queue directory of the test's own. Its rewrite service looks up in tables that the
// test fills, and knows example.org as local, relay.example as relayed; its cleanup keeps what it is given.
#pragma once

#include <sys/socket.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lib/event/scope.h"
#include "lib/event/watch.h"
#include "lib/os/socket.h"
#include "lib/protocol/cleanup.h"
#include "lib/protocol/rewrite.h"
#include "lib/queue/envelope.h"
#include "lib/queue/queue_id.h"
#include "smtpd/server.h"
#include "tests/unit/os/faulty_files.h"

namespace postrider::smtpd::test {

struct Site {
  os::test::TemporaryDirectory directory;
  std::vector<std::string> words{"smtpd", "-c", directory.path()};
  std::vector<char*> argv;
  Sections sections;
  std::unique_ptr<daemon::Daemon> daemon;
  event::StopSource stop;
  os::Fd rewrite_socket, cleanup_socket;
  std::unique_ptr<Server> server;
  std::unique_ptr<event::TaskScope> scope;

  std::map<std::string, std::map<std::string, std::string>> tables;  // name, key, value
  std::vector<std::string> asked;                                    // keys of all lookups
  struct Message {
    queue::Envelope envelope;
    std::string content;
  };
  std::vector<Message> messages;
  std::vector<protocol::ContentEnd> endings;  // of those that streamed
  unsigned ids = 0;

  explicit Site(const std::string& settings = "") {
    auto& files = os::system_files();
    const std::string main_cf =
        "compatibility_level = 3.6\nqueue_directory = " + directory.path() +
        "\nmaillog_file = " + directory.path() +
        "/log\nmaillog_file_prefixes = /tmp\nmyhostname = mail.example.org\nmydestination = example.org\n"
        "mynetworks = 192.0.2.0/24\nsmtpd_client_connection_count_limit = 0\n"
        "smtpd_forbid_unauth_pipelining = no\nsmtpd_error_sleep_time = 0\n" +
        settings;
    REQUIRE(os::replace_file(files, directory / "main.cf", main_cf, 0600));
    REQUIRE(files.mkdir(directory / "private", 0700));
    REQUIRE(files.mkdir(directory / "public", 0700));
    for (std::string& word : words) argv.push_back(word.data());
    daemon = std::make_unique<daemon::Daemon>(static_cast<int>(argv.size()), argv.data(),
                                              daemon::Declaration{.name = "smtpd"});
    REQUIRE(daemon->start(sections.all()));
    rewrite_socket = std::move(*os::listen_unix("private/rewrite", 0600));
    cleanup_socket = std::move(*os::listen_unix("public/cleanup", 0600));
    server = std::make_unique<Server>(*daemon, sections);
    scope = std::make_unique<event::TaskScope>(daemon->loop());
    scope->spawn(accept(rewrite_socket, true));
    scope->spawn(accept(cleanup_socket, false));
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
          clients.spawn(serve_cleanup(std::move(*client)));
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
        ipc::Frame frame = co_await channel.receive(no_deadline);
        if (const auto lookup = frame.as<protocol::Lookup>())
          co_await channel.send(look_up(*lookup), no_deadline);
        else if (const auto check = frame.as<protocol::CheckRecipient>())
          co_await channel.send(check_address(check->address), no_deadline);
      }
    } catch (const io::Ended&) {
    }
  }
  protocol::LookedUp look_up(const protocol::Lookup& lookup) {
    protocol::LookedUp::Answer answer;
    const auto table = tables.find(lookup.maps);
    if (table == tables.end()) answer.status = protocol::LookedUp::Answer::Status::trouble;
    for (const std::string& key : lookup.keys) {
      asked.push_back(key);
      if (table == tables.end()) continue;
      const auto found = table->second.find(key);
      if (found == table->second.end()) continue;
      answer = {protocol::LookedUp::Answer::Status::found, key, found->second};
      break;
    }
    protocol::LookedUp all;
    all.answers.push_back(answer);
    return all;
  }
  static protocol::RecipientChecked check_address(const std::string& address) {
    using protocol::AddressClass;
    using Existence = protocol::RecipientChecked::Existence;
    protocol::RecipientChecked checked;
    const std::string domain = address.substr(address.rfind('@') + 1);
    checked.route.address_class = domain == "example.org"     ? AddressClass::local
                                  : domain == "relay.example" ? AddressClass::relay
                                                              : AddressClass::other;
    checked.route.routed = address.substr(0, address.rfind('@')).find_first_of("%@") != std::string::npos;
    if (domain == "example.org") {
      checked.existence = address.starts_with("nobody@") ? Existence::unlisted : Existence::listed;
      checked.table_kind = "local recipient table";
    }
    return checked;
  }

  event::Task<> serve_cleanup(os::Fd client) {
    ipc::Channel channel(daemon->loop(), std::move(client), stop.token());
    try {
      for (;;) {
        ipc::Frame frame = co_await channel.receive(no_deadline);
        if (const auto reserve = frame.as<protocol::ReserveIds>()) {
          protocol::ReservedIds reserved;
          for (unsigned i = 0; i < reserve->count; ++i) reserved.ids.push_back(next_id());
          co_await channel.send(reserved, no_deadline);
        } else if (const auto whole = frame.as<protocol::SubmitWhole>()) {
          co_await channel.send(keep(whole->submit, whole->content), no_deadline);
        } else if (const auto submit = frame.as<protocol::Submit>()) {
          std::string bytes;
          for (;;) {
            ipc::Frame part = co_await channel.receive(no_deadline);
            const auto content = part.as<protocol::Content>();
            if (content) {
              bytes += content->bytes;
              continue;
            }
            if (auto end = part.as<protocol::ContentEnd>()) endings.push_back(std::move(*end));
            break;
          }
          co_await channel.send(keep(*submit, std::move(bytes)), no_deadline);
        }
      }
    } catch (const io::Ended&) {
    }
  }
  protocol::Submitted keep(const protocol::Submit& submit, std::string content) {
    Message message;
    if (auto envelope = queue::decode_envelope(submit.envelope)) message.envelope = std::move(*envelope);
    message.content = std::move(content);
    messages.push_back(std::move(message));
    protocol::Submitted submitted;
    submitted.outcome = protocol::Submitted::Outcome::queued;
    return submitted;
  }
  std::string next_id() {
    return queue::QueueId::make_long(daemon->clock().wall() + Seconds{++ids}, 0).text();
  }

  // Sends all of `input` at once, hangs up, and returns every reply.
  std::string play(const std::string& input) {
    auto ends = os::socket_pair();
    REQUIRE(ends);
    REQUIRE(::write(ends->second.get(), input.data(), input.size()) == static_cast<ssize_t>(input.size()));
    REQUIRE(::shutdown(ends->second.get(), SHUT_WR) == 0);
    daemon->loop().run_until_done(server->serve(std::move(ends->first)));
    std::string output;
    char piece[4096];
    for (ssize_t got = 0; (got = ::read(ends->second.get(), piece, sizeof piece)) > 0;)
      output.append(piece, static_cast<std::size_t>(got));
    return output;
  }
  // The codes of the replies, the last line of each: "220 250 354".
  static std::string codes(const std::string& replies) {
    std::string all;
    std::size_t at = 0;
    while (at < replies.size()) {
      const std::size_t end = replies.find("\r\n", at);
      if (end == std::string::npos) break;
      if (end - at >= 4 && replies[at + 3] == ' ') all += (all.empty() ? "" : " ") + replies.substr(at, 3);
      at = end + 2;
    }
    return all;
  }
  std::string log() { return *os::read_file(os::system_files(), directory / "log", 1 << 20); }
};

}  // namespace postrider::smtpd::test
