// bench/limits DIRECTORY: what the machine itself can do, one JSON object: journal appends per second with
// one fdatasync for each batch, files made per second with an fsync each, exchanges by TCP, TLS handshakes.
#include <fcntl.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "bench/handshakes.h"
#include "bench/loop.h"

namespace {

using postrider::bench::now;

constexpr double seconds_each = 1.0;
constexpr std::size_t record_bytes = 4096;

[[noreturn]] void die(std::string_view what) {
  fmt::print(stderr, "limits: {}: {}\n", what, std::strerror(errno));
  std::exit(1);
}

// Records per second appended to one preallocated file.
double appends(const std::string& folder, std::size_t batch) {
  const std::string path = folder + "/journal";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  constexpr off_t size = 64 << 20;
  if (fd < 0 || ::posix_fallocate(fd, 0, size) != 0) die(path);
  const std::string bytes(batch * record_bytes, 'x');
  off_t at = 0;
  std::size_t records = 0;
  const double begun = now();
  while (now() - begun < seconds_each) {
    if (at + static_cast<off_t>(bytes.size()) > size) at = 0;
    if (::pwrite(fd, bytes.data(), bytes.size(), at) < 0 || ::fdatasync(fd) != 0) die(path);
    at += static_cast<off_t>(bytes.size());
    records += batch;
  }
  const double rate = static_cast<double>(records) / (now() - begun);
  ::close(fd);
  ::unlink(path.c_str());
  return rate;
}

// Files per second, each made, written and synced, by several threads.
double files(const std::string& folder, unsigned threads) {
  std::atomic<std::size_t> made = 0;
  const std::string bytes(record_bytes, 'x');
  const double begun = now();
  {
    std::vector<std::jthread> crew;
    for (unsigned t = 0; t < threads; ++t)
      crew.emplace_back([&, t] {
        for (std::size_t n = 0; now() - begun < seconds_each; ++n, ++made) {
          const std::string path = fmt::format("{}/file.{}.{}.{}", folder, threads, t, n);
          const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
          if (fd < 0 || ::write(fd, bytes.data(), bytes.size()) < 0 || ::fsync(fd) != 0) die(path);
          ::close(fd);
        }
      });
  }
  return static_cast<double>(made) / (now() - begun);
}

// Microseconds from a short command to the end of a 4 kB answer, by TCP to another process and back: what a
// client and a server that do nothing else need for one RETR.
double exchange() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* const where = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener, where, length) != 0 || ::listen(listener, 1) != 0 ||
      ::getsockname(listener, where, &length) != 0)
    die("listen");
  const auto no_delay = [](int fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  };
  const pid_t child = ::fork();
  if (child == 0) {
    const int client = ::accept(listener, nullptr, nullptr);
    no_delay(client);
    const std::string answer(record_bytes, 'x');
    char command[16];
    while (::read(client, command, sizeof command) > 0)
      if (::write(client, answer.data(), answer.size()) < 0) ::_exit(1);
    ::_exit(0);
  }
  const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(server, where, length) != 0) die("connect");
  no_delay(server);
  std::size_t count = 0;
  const double begun = now();
  for (std::string answer(record_bytes, '\0'); now() - begun < seconds_each; ++count) {
    if (::write(server, "RETR 123\r\n", 10) != 10) die("write");
    for (std::size_t got = 0; got < record_bytes;) {
      const ssize_t some = ::read(server, answer.data(), record_bytes - got);
      if (some <= 0) die("read");
      got += static_cast<std::size_t>(some);
    }
  }
  const double seconds = now() - begun;
  ::close(server);
  ::close(listener);
  ::waitpid(child, nullptr, 0);
  return 1e6 * seconds / static_cast<double>(count);
}

void print_handshakes(std::string_view name, postrider::bench::KeyType type) {
  const auto costs = postrider::bench::measure_handshakes(type, 3 * seconds_each);
  fmt::print(R"(, "handshake {0} ms": {1:.3f}, "engine {0} ms": {2:.3f}, "apart {0} ms": {3:.3f})", name,
             costs.openssl, costs.key_inside, costs.key_outside);
}

}  // namespace

int main(int count, char** words) {
  if (count != 2) {
    fmt::print(stderr, "usage: limits directory\n");
    return 2;
  }
  fmt::print("{{");
  for (const std::size_t batch : {1, 8, 20, 50, 200})
    fmt::print(R"("append {} a batch": {:.0f}, )", batch, appends(words[1], batch));
  for (const unsigned threads : {1, 8, 16})
    fmt::print(R"("files {} threads": {:.0f}, )", threads, files(words[1], threads));
  fmt::print(R"("exchange us": {:.1f})", exchange());
  print_handshakes("RSA-2048", postrider::bench::KeyType::rsa_2048);
  print_handshakes("P-256", postrider::bench::KeyType::p_256);
  fmt::print("}}\n");
  return 0;
}
