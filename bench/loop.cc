#include "bench/loop.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>

namespace postrider::bench {

namespace {

[[noreturn]] void die(std::string_view what) {
  fmt::print(stderr, "load: {}\n", what);
  std::exit(1);
}

sockaddr_in loopback(unsigned last, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl((127U << 24) | last);
  return address;
}

const sockaddr* plain(const sockaddr_in& address) { return reinterpret_cast<const sockaddr*>(&address); }

}  // namespace

void Dialogue::promise_type::unhandled_exception() {
  try {
    throw;
  } catch (const std::exception& error) {
    die(error.what());
  }
}

double now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

int listen_on(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = loopback(1, port);
  if (::bind(fd, plain(address), sizeof address) != 0 || ::listen(fd, 1024) != 0)
    die(fmt::format("port {}: {}", port, std::strerror(errno)));
  return fd;
}

Loop::Loop(double seconds) : epoll_(::epoll_create1(EPOLL_CLOEXEC)), deadline_(now() + seconds) {}
Loop::~Loop() { ::close(epoll_); }

// Edge-triggered and both ways at once: one epoll_ctl in the life of a connection.
void Loop::watch(Link& link) const {
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = &link}};
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, link.fd_, &event);
}

void Loop::run() {
  std::array<epoll_event, 256> events;
  while (running_) {
    const int count = ::epoll_wait(epoll_, events.data(), events.size(), 1000);
    if (now() > deadline_) die("not done in time");
    for (int i = 0; i < count; ++i) static_cast<Link*>(events[static_cast<std::size_t>(i)].data.ptr)->ready();
  }
}

Link::Link(Loop& loop, int socket, bool listening) : loop_(loop), fd_(socket), listening_(listening) {
  const int on = 1;
  if (!listening) ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  loop_.watch(*this);
}

Link::~Link() {
  if (!out_.empty() && !closed_) flush();
  SSL_free(ssl_);
  if (fd_ >= 0) ::close(fd_);
}

Link::Wait Link::connect(std::uint16_t port, unsigned source) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) die(fmt::format("socket: {}", std::strerror(errno)));
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (source > 1) {
    ::setsockopt(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    const sockaddr_in from = loopback(source, 0);
    if (::bind(fd_, plain(from), sizeof from) != 0) die(fmt::format("bind: {}", std::strerror(errno)));
  }
  const sockaddr_in to = loopback(1, port);
  if (::connect(fd_, plain(to), sizeof to) != 0 && errno != EINPROGRESS) closed_ = true;
  loop_.watch(*this);
  return {*this, Until::connected};
}

void Link::suspend(Until until, std::coroutine_handle<> who) {
  until_ = until;
  waiting_ = who;
  if (!out_.empty()) flush();
}

void Link::flush() {
  std::size_t sent = 0;
  while (sent < out_.size()) {
    const ssize_t n = ssl_ ? SSL_write(ssl_, out_.data() + sent, static_cast<int>(out_.size() - sent))
                           : ::send(fd_, out_.data() + sent, out_.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) {
      if (ssl_ == nullptr && errno != EAGAIN) closed_ = true;
      break;
    }
    sent += static_cast<std::size_t>(n);
  }
  out_.erase(0, sent);
}

void Link::read_all() {
  auto& block = loop_.block_;
  while (true) {
    const ssize_t n = ssl_ ? SSL_read(ssl_, block.data(), static_cast<int>(block.size()))
                           : ::read(fd_, block.data(), block.size());
    if (n > 0) {
      if (used_ == in_.size()) in_.clear(), used_ = looked_ = 0;
      in_.append(block.data(), static_cast<std::size_t>(n));
      // A short read of a socket has emptied it; the next byte is another edge.
      if (ssl_ == nullptr && static_cast<std::size_t>(n) < block.size()) return;
      continue;
    }
    if (ssl_ != nullptr) {
      const int error = SSL_get_error(ssl_, static_cast<int>(n));
      closed_ = closed_ || (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE);
    } else {
      closed_ = closed_ || n == 0 || errno != EAGAIN;
    }
    return;
  }
}

void Link::ready() {
  connected_ = true;
  if (!listening_ && (ssl_ == nullptr || shaken_)) {
    if (!out_.empty()) flush();
    read_all();
  }
  if (waiting_ && arrived(until_)) {
    const auto who = waiting_;
    waiting_ = nullptr;
    who.resume();  // may end the dialogue, and with it this link
  }
}

Link::Wait Link::start_tls(ssl_ctx_st* context) {
  ssl_ = SSL_new(context);
  SSL_set_fd(ssl_, fd_);
  SSL_set_connect_state(ssl_);
  return {*this, Until::handshake};
}

bool Link::shaken() {
  const int done = SSL_do_handshake(ssl_);
  if (done == 1) return shaken_ = true;
  const int error = SSL_get_error(ssl_, done);
  closed_ = error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
  return closed_;
}

bool Link::arrived(Until until) {
  const std::string_view rest = std::string_view(in_).substr(used_);
  length_ = 0;
  switch (until) {
    case Until::connected: return connected_ || closed_;
    case Until::closed: return closed_;
    case Until::handshake: return shaken();
    case Until::client:
      client_ = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      return client_ >= 0;
    case Until::line:
      if (const std::size_t end = rest.find("\r\n"); end != std::string_view::npos) length_ = end + 2;
      break;
    case Until::reply:
      for (std::size_t at = 0, end = 0; (end = rest.find("\r\n", at)) != std::string_view::npos;
           at = end + 2) {
        if (end - at >= 4 && rest[at + 3] == '-') continue;
        length_ = end + 2;
        break;
      }
      break;
    case Until::data_end:
      if (const std::size_t end = in_.find("\r\n.\r\n", looked_); end != std::string::npos)
        length_ = end + 5 - used_;
      looked_ = std::max(used_, in_.size() < 4 ? 0 : in_.size() - 4);
      break;
  }
  return length_ != 0 || closed_;
}

std::string_view Link::take(Until until, std::string_view code) {
  if (until == Until::client || until == Until::closed) return {};
  if (until == Until::connected || until == Until::handshake) {
    if (closed_) throw Failure("no connection");
    return {};
  }
  if (length_ == 0) throw Failure("the peer closed the connection");
  const std::string_view whole = std::string_view(in_).substr(used_, length_);
  used_ = looked_ = used_ + length_;
  if (until == Until::data_end) return whole.substr(0, whole.size() - 3);
  std::string_view text = whole.substr(0, whole.size() - 2);
  text.remove_prefix(text.rfind('\n') + 1);  // npos + 1 is 0
  if (!text.starts_with(code)) throw Failure(std::string(text));
  return text;
}

}  // namespace postrider::bench
