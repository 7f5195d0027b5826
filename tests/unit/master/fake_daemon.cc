#include "tests/unit/master/fake_daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "lib/daemon/command_line.h"
#include "lib/protocol/master.h"

namespace postrider::master::test {
namespace {

class FakeDaemon {
 public:
  explicit FakeDaemon(daemon::CommandLine line) : line_(std::move(line)) {
    if (!line_.arguments.empty()) behaviour_ = line_.arguments.front();
  }

  int run() {
    note("started " + line_.service);
    if (behaviour_ == "crash") return 7;
    if (behaviour_ == "mute") ::signal(SIGTERM, SIG_IGN);
    while (true) {
      std::vector<pollfd> fds = {{protocol::link_descriptor, POLLIN, 0}};
      const bool full = (draining_ && behaviour_ != "late") || (behaviour_ == "one" && !clients_.empty());
      for (int i = 0; i < line_.listeners; ++i) {
        fds.push_back({full ? -1 : protocol::link_descriptor + 1 + i, POLLIN, 0});
      }
      for (const int client : clients_) fds.push_back({client, POLLIN, 0});
      if (::poll(fds.data(), fds.size(), -1) < 0) continue;
      if (fds[0].revents != 0 && !hear_master()) return 0;
      for (std::size_t i = 1; i < fds.size(); ++i) {
        if (fds[i].fd < 0 || fds[i].revents == 0) continue;
        const bool listener = i <= static_cast<std::size_t>(line_.listeners);
        if (listener && !meet(fds[i].fd)) return 0;
        if (!listener) hear(fds[i].fd);
      }
      if (draining_ && clients_.empty() && behaviour_ != "mute" && (behaviour_ != "late" || met_late_))
        return 0;
    }
  }

 private:
  void note(const std::string& text) {
    const int fd = ::open("notes", O_WRONLY | O_APPEND | O_CREAT, 0600);
    const std::string line = text + "\n";
    [[maybe_unused]] const auto written = ::write(fd, line.data(), line.size());
    ::close(fd);
  }

  bool hear_master() {
    char bytes[64];
    const ssize_t got = ::read(protocol::link_descriptor, bytes, sizeof bytes);
    if (got < 0) return true;
    if (got == 0) {
      note("orphaned " + line_.service);
      return false;
    }
    note("drained " + line_.service);
    draining_ = true;
    return true;
  }

  // False: done for good.
  bool meet(int listener) {
    if (behaviour_ == "trigger") {
      const int fd = line_.type == "fifo" ? listener : ::accept(listener, nullptr, nullptr);
      char byte = '?';
      while (fd >= 0 && ::read(fd, &byte, 1) < 0 && errno == EAGAIN) {
        pollfd one{fd, POLLIN, 0};
        ::poll(&one, 1, -1);
      }
      note(std::string("woken by ") + byte);
      return false;
    }
    const int client = ::accept(listener, nullptr, nullptr);
    if (client < 0) return true;
    clients_.push_back(client);
    met_late_ = draining_;
    if (behaviour_ == "one") report(false);
    return true;
  }

  void hear(int client) {
    char bytes[256];
    if (::read(client, bytes, sizeof bytes) > 0) {
      std::ostringstream answer;
      answer << ::getpid() << ' ' << line_.service << ' ' << line_.type;
      for (const std::string& option : line_.options) answer << ' ' << option;
      answer << '\n';
      ::send(client, answer.str().data(), answer.str().size(), MSG_NOSIGNAL);
      return;
    }
    ::close(client);
    std::erase(clients_, client);
    if (behaviour_ == "one") report(true);
  }

  void report(bool available) {
    std::string payload;
    std::vector<int> descriptors;
    ipc::Encoder encoder(payload, descriptors);
    protocol::ChildStatus status{available, 0};
    protocol::ChildStatus::fields(status, encoder);
    // As lib/ipc/channel.h draws it: length, tag, call, descriptors.
    const std::uint32_t header[4] = {static_cast<std::uint32_t>(payload.size()),
                                     ipc::message_tag(protocol::ChildStatus::name), 0, 0};
    std::string frame(sizeof header, '\0');
    std::memcpy(frame.data(), header, sizeof header);
    frame += payload;
    ::send(protocol::link_descriptor, frame.data(), frame.size(), MSG_NOSIGNAL);
  }

  daemon::CommandLine line_;
  std::string behaviour_ = "serve";
  std::vector<int> clients_;
  bool draining_ = false;
  bool met_late_ = false;  // took a client although it was draining
};

// Runs before Catch's main and takes its place when this program was started as the daemon.
const bool was_fake = [] {
  if (std::strcmp(program_invocation_short_name, "fake") != 0) return false;
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  const std::string all((std::istreambuf_iterator<char>(file)), {});
  std::vector<const char*> arguments;
  for (std::size_t at = 0; at < all.size(); at += std::strlen(all.c_str() + at) + 1) {
    arguments.push_back(all.c_str() + at);
  }
  auto line = daemon::parse_command_line(static_cast<int>(arguments.size()), arguments.data(), "fake");
  ::_exit(line ? FakeDaemon(std::move(*line)).run() : 64);
}();

}  // namespace

void install_fake_daemon(const std::string& daemon_directory) {
  char self[4096];
  const ssize_t length = ::readlink("/proc/self/exe", self, sizeof self - 1);
  if (was_fake || length <= 0) std::abort();
  self[length] = '\0';
  if (::symlink(self, (daemon_directory + "/fake").c_str()) < 0) std::abort();
}

}  // namespace postrider::master::test
