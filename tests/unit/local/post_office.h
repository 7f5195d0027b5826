// A mail system around one delivery agent: its queue directory, a rewrite and a cleanup service that
// say what the test wants, and a request at a time.
#pragma once

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <unistd.h>

#include "lib/base/log.h"
#include "lib/config/values.h"
#include "lib/event/scope.h"
#include "lib/ipc/channel.h"
#include "lib/os/socket.h"
#include "lib/protocol/cleanup.h"
#include "lib/protocol/delivery.h"
#include "lib/protocol/rewrite.h"
#include "tests/unit/mailbox/mailbox_files.h"

namespace postrider::local::test {

using mailbox::test::content_of;
using mailbox::test::names_in;
using mailbox::test::put;
using mailbox::test::TemporaryDirectory;

class PostOffice {
 public:
  PostOffice() : loop(clock), tasks(loop) {
    if (::chdir(directory.path().c_str()) != 0) std::abort();
    (void)make_directories(os::system_files(), directory / "private", 0700);
    (void)make_directories(os::system_files(), directory / "public", 0700);
    serve("private/rewrite",
          [this](ipc::Channel& peer, ipc::Frame frame) { return rewrite(peer, std::move(frame)); });
    serve("public/cleanup",
          [this](ipc::Channel& peer, ipc::Frame frame) { return cleanup(peer, std::move(frame)); });
  }
  ~PostOffice() {
    stop.stop();
    loop.run_until_done(tasks.join());
    (void)::chdir("/");
  }

  // A service that answers each frame.
  void serve(const std::string& path, std::function<event::Task<>(ipc::Channel&, ipc::Frame)> answer) {
    auto listener = os::listen_unix(directory / path, 0600);
    if (!listener) std::abort();
    listeners.push_back(std::make_unique<os::Fd>(std::move(*listener)));
    tasks.spawn(accept(*listeners.back(), std::move(answer)));
  }

  // Sends one message to `recipients` through `handle` and returns what became of each.
  std::vector<protocol::RecipientOutcome> send(
      const std::function<event::Task<>(ipc::Channel&, ipc::Frame)>& handle,
      const std::vector<std::string>& recipients, const std::string& content = "Subject: x\n\nhello\n",
      const std::string& sender = "sender@example.net") {
    queue::Envelope envelope;
    envelope.id = queue_id;
    envelope.arrival = clock.wall();
    envelope.sender = sender;
    envelope.size = content.size();
    for (const auto& address : recipients) {
      queue::Recipient recipient;
      recipient.address = address;
      envelope.recipients.push_back(recipient);
    }
    protocol::DeliveryRequest request;
    request.envelope = *queue::encode(envelope);
    request.nexthop = "example.org";
    request.queue_name = "active";
    const std::string_view parts[] = {"junk before", content};
    request.content.fd = std::move(*os::memory_file("message", parts));
    request.content.offset = parts[0].size();
    request.content.length = content.size();
    request.activated = clock.wall();
    return loop.run_until_done(exchange(handle, std::move(request)));
  }

  TemporaryDirectory directory;
  SystemClock clock;
  event::Loop loop;
  event::StopSource stop;
  event::TaskScope tasks;
  MemoryLog log;
  std::vector<std::unique_ptr<os::Fd>> listeners;

  const queue::QueueId queue_id = queue::QueueId::make_short(WallTime(Seconds{1'700'000'000}), 1);

  // What cleanup was given.
  struct Submission {
    queue::Envelope envelope;
    std::string content;
  };
  std::vector<Submission> submissions;
  protocol::Submitted::Outcome cleanup_says = protocol::Submitted::Outcome::queued;

 private:
  event::Task<> accept(const os::Fd& listener,
                       std::function<event::Task<>(ipc::Channel&, ipc::Frame)> answer) {
    event::Watch watch(loop, listener.get());
    while (true) {
      auto client = os::accept(listener);
      if (client && *client) {
        tasks.spawn(converse(std::move(*client), answer));
        continue;
      }
      const event::Woken woken = co_await watch.readable(no_deadline, stop.token());
      if (woken != event::Woken::ready) co_return;
    }
  }
  event::Task<> converse(os::Fd client, std::function<event::Task<>(ipc::Channel&, ipc::Frame)> answer) {
    ipc::Channel channel(loop, std::move(client), stop.token());
    try {
      while (true) {
        ipc::Frame frame = co_await channel.receive(no_deadline);
        co_await answer(channel, std::move(frame));
        co_await channel.flush(no_deadline);
      }
    } catch (const io::Ended&) {
    }
  }
  event::Task<std::vector<protocol::RecipientOutcome>> exchange(
      const std::function<event::Task<>(ipc::Channel&, ipc::Frame)>& handle,
      protocol::DeliveryRequest request) {
    auto pair = os::socket_pair();
    ipc::Channel ours(loop, std::move(pair->first)), theirs(loop, std::move(pair->second));
    co_await ours.send(request, no_deadline);
    ipc::Frame frame = co_await theirs.receive(no_deadline);
    co_await handle(theirs, std::move(frame));
    co_await theirs.flush(no_deadline);
    protocol::DeliveryReport report = co_await ours.expect<protocol::DeliveryReport>(no_deadline);
    co_return std::move(report.outcomes);
  }

  // example.org is ours; a name without domain gets it.
  event::Task<> rewrite(ipc::Channel& peer, ipc::Frame frame) {
    if (auto addresses = frame.as<protocol::Rewrite>()) {
      protocol::Rewritten answer;
      for (const auto& address : addresses->addresses) {
        answer.addresses.push_back(address.find('@') == std::string::npos ? address + "@example.org"
                                                                          : address);
      }
      peer.put(answer);
    } else if (auto question = frame.as<protocol::Resolve>()) {
      protocol::Resolved answer;
      for (const auto& address : question->addresses) {
        protocol::Route route;
        route.recipient = address;
        route.transport = address.ends_with("@example.org") ? "local" : "smtp";
        if (address.starts_with("bad")) route.trouble = protocol::Route::Trouble::bad_syntax;
        answer.routes.push_back(route);
      }
      peer.put(answer);
    }
    co_return;
  }
  event::Task<> cleanup(ipc::Channel& peer, ipc::Frame frame) {
    if (auto submit = frame.as<protocol::Submit>()) {
      current = {*queue::decode_envelope(submit->envelope), ""};
    } else if (auto content = frame.as<protocol::Content>()) {
      current.content += content->bytes;
    } else if (frame.is<protocol::ContentEnd>()) {
      protocol::Submitted answer;
      answer.outcome = cleanup_says;
      if (cleanup_says == protocol::Submitted::Outcome::queued) {
        submissions.push_back(std::move(current));
        answer.id = "B0B0B0B0B0";
      }
      peer.put(answer);
    }
    co_return;
  }
  Submission current;
};

}  // namespace postrider::local::test
