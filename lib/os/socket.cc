#include "lib/os/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <bit>
#include <cstring>

#include <fmt/core.h>

#include "lib/base/text.h"

namespace postrider::os {
namespace {

// Room for any address this suite uses, and its length.
struct Address {
  sockaddr_storage storage{};
  socklen_t length = sizeof(sockaddr_storage);

  // sockets(7): every address type is passed as a sockaddr.
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }

  template <class T>
  void set(const T& address, std::size_t size = sizeof(T)) {
    static_assert(sizeof(T) <= sizeof(sockaddr_storage));
    std::memcpy(&storage, &address, sizeof(T));
    length = static_cast<socklen_t>(size);
  }
  template <class T>
  T as() const {
    T address{};
    std::memcpy(&address, &storage, sizeof(T));
    return address;
  }
};

Result<Address> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path || path.find('\0') != std::string::npos) {
    return fail(Trouble::configuration,
                fmt::format("socket path {} is longer than {} bytes", path, sizeof address.sun_path - 1));
  }
  path.copy(address.sun_path, path.size());
  Address result;
  result.set(address);
  return result;
}

Result<Address> inet_address(const Endpoint& where) {
  Address result;
  sockaddr_in v4{};
  if (::inet_pton(AF_INET, where.host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(where.port);
    result.set(v4);
    return result;
  }
  sockaddr_in6 v6{};
  const std::size_t percent = where.host.find('%');  // RFC 4007 section 11: address%zone
  if (::inet_pton(AF_INET6, where.host.substr(0, percent).c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(where.port);
    if (percent != std::string::npos) {
      const std::string zone = where.host.substr(percent + 1);
      v6.sin6_scope_id = parse_number<std::uint32_t>(zone).value_or(::if_nametoindex(zone.c_str()));
      if (v6.sin6_scope_id == 0) {
        return fail(Trouble::configuration, fmt::format("no network interface {}", zone));
      }
    }
    result.set(v6);
    return result;
  }
  return fail(Trouble::configuration, fmt::format("{} is not a numeric address", where.host));
}

Endpoint to_endpoint(const Address& from) {
  Endpoint endpoint;
  char text[INET6_ADDRSTRLEN] = "";
  switch (from.family()) {
    case AF_INET: {
      const auto v4 = from.as<sockaddr_in>();
      endpoint.host = ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
      endpoint.port = ntohs(v4.sin_port);
      break;
    }
    case AF_INET6: {
      const auto v6 = from.as<sockaddr_in6>();
      endpoint.host = ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
      endpoint.port = ntohs(v6.sin6_port);
      break;
    }
    case AF_UNIX: {
      const auto local = from.as<sockaddr_un>();
      const std::size_t room = from.length - offsetof(sockaddr_un, sun_path);
      if (from.length > offsetof(sockaddr_un, sun_path)) {
        endpoint.host = std::string(local.sun_path, ::strnlen(local.sun_path, room));
      }
      break;
    }
    default: break;
  }
  return endpoint;
}

Result<Fd> make_socket(int family, int type) {
  Fd fd(::socket(family, type | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno("socket");
  return fd;
}

Result<> set_option(const Fd& socket, int level, int name, int value) {
  if (::setsockopt(socket.get(), level, name, &value, sizeof value) < 0) return fail_errno("setsockopt");
  return {};
}

// Binds a UNIX socket at `path`. Nobody can connect before listen(), so that the mode is right in time.
Result<Fd> bind_unix(const std::string& path, mode_t mode, int type) {
  const auto address = unix_address(path);
  if (!address) return fail(address.error());
  struct stat old{};
  if (::lstat(path.c_str(), &old) == 0) {
    if (!S_ISSOCK(old.st_mode)) {
      return fail(Trouble::configuration, fmt::format("{} exists and is not a socket", path));
    }
    if (::unlink(path.c_str()) < 0) return fail_errno(fmt::format("unlink {}", path));
  }
  auto fd = make_socket(AF_UNIX, type | SOCK_NONBLOCK);
  if (!fd) return fd;
  if (::bind(fd->get(), address->get(), address->length) < 0) return fail_errno(fmt::format("bind {}", path));
  if (::chmod(path.c_str(), mode) < 0) return fail_errno(fmt::format("chmod {}", path));
  return fd;
}

template <class Ask>
Result<Endpoint> endpoint_of(const Fd& socket, const char* what, Ask ask) {
  Address address;
  if (ask(socket.get(), address.get(), &address.length) < 0) return fail_errno(what);
  return to_endpoint(address);
}

}  // namespace

Result<Fd> listen_unix(const std::string& path, mode_t mode, int backlog) {
  auto fd = bind_unix(path, mode, SOCK_STREAM);
  if (fd && ::listen(fd->get(), backlog) < 0) return fail_errno(fmt::format("listen {}", path));
  return fd;
}

Result<Fd> receive_unix_datagrams(const std::string& path, mode_t mode) {
  return bind_unix(path, mode, SOCK_DGRAM);
}

Result<Fd> listen_inet(const Endpoint& where, int backlog) {
  const auto address = inet_address(where);
  if (!address) return fail(address.error());
  auto fd = make_socket(address->family(), SOCK_STREAM | SOCK_NONBLOCK);
  if (!fd) return fd;
  Result<> set = set_option(*fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (set && address->family() == AF_INET6) set = set_option(*fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (set) set = set_no_delay(*fd);  // which every connection inherits
  if (!set) return fail(set.error());
  if (::bind(fd->get(), address->get(), address->length) < 0) {
    return fail_errno(fmt::format("bind {} port {}", where.host, where.port));
  }
  if (::listen(fd->get(), backlog) < 0) {
    return fail_errno(fmt::format("listen {} port {}", where.host, where.port));
  }
  return fd;
}

Result<Fd> connect_unix(const std::string& path) {
  const auto address = unix_address(path);
  if (!address) return fail(address.error());
  auto fd = make_socket(AF_UNIX, SOCK_STREAM);
  if (!fd) return fd;
  // A listener whose backlog is full and whose owner hangs must not hold us for ever.
  const timeval patience{10, 0};
  (void)::setsockopt(fd->get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  int status = 0;
  do {
    status = ::connect(fd->get(), address->get(), address->length);
  } while (status < 0 && errno == EINTR);
  if (status < 0) {
    const Error error = Error::from_errno(errno, fmt::format("connect to {}", path));
    if (error.is(Trouble::not_found)) return fail(Trouble::temporary, error.text(), error.os_error());
    return fail(error);
  }
  const timeval none{0, 0};
  (void)::setsockopt(fd->get(), SOL_SOCKET, SO_SNDTIMEO, &none, sizeof none);
  if (::fcntl(fd->get(), F_SETFL, O_NONBLOCK) < 0) return fail_errno("fcntl");
  return fd;
}

Result<Fd> start_connect_inet(const Endpoint& to, const Endpoint* from) {
  const auto address = inet_address(to);
  if (!address) return fail(address.error());
  auto fd = make_socket(address->family(), SOCK_STREAM | SOCK_NONBLOCK);
  if (!fd) return fd;
  if (from != nullptr) {
    const auto source = inet_address(*from);
    if (!source) return fail(source.error());
    if (::bind(fd->get(), source->get(), source->length) < 0) {
      return fail_errno(fmt::format("bind {}", from->host));
    }
  }
  if (::connect(fd->get(), address->get(), address->length) < 0 && errno != EINPROGRESS && errno != EINTR) {
    return fail_errno(fmt::format("connect to {}:{}", to.host, to.port));
  }
  return fd;
}

Result<> connect_result(const Fd& socket) {
  int os_error = 0;
  socklen_t length = sizeof os_error;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &os_error, &length) < 0) return fail_errno("connect");
  if (os_error != 0) return fail(Error::from_errno(os_error, "connect"));
  return {};
}

Result<std::pair<Fd, Fd>> socket_pair() {
  int both[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, both) < 0) {
    return fail_errno("socketpair");
  }
  return std::pair(Fd(both[0]), Fd(both[1]));
}

Result<std::pair<Fd, Fd>> pipe() {
  int both[2];
  if (::pipe2(both, O_CLOEXEC) < 0) return fail_errno("pipe");
  return std::pair(Fd(both[0]), Fd(both[1]));
}

Result<Fd> open_fifo(const std::string& path, mode_t mode) {
  if (::mkfifo(path.c_str(), mode) < 0 && errno != EEXIST) return fail_errno(fmt::format("mkfifo {}", path));
  Fd fd(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return fail_errno(fmt::format("open {}", path));
  struct stat status{};
  if (::fstat(fd.get(), &status) < 0) return fail_errno(fmt::format("stat {}", path));
  if (!S_ISFIFO(status.st_mode)) {
    return fail(Trouble::configuration, fmt::format("{} exists and is not a FIFO", path));
  }
  if (::fchmod(fd.get(), mode) < 0) return fail_errno(fmt::format("chmod {}", path));
  return fd;
}

Result<Fd> accept(const Fd& listener) {
  while (true) {
    Fd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd || errno == EAGAIN) return fd;
    // accept(2): errors of a connection that died in the queue, not of the listener.
    switch (errno) {
      case EINTR:
      case ECONNABORTED:
      case EPROTO:
      case ENETDOWN:
      case ENOPROTOOPT:
      case EHOSTDOWN:
      case ENONET:
      case EHOSTUNREACH:
      case ENETUNREACH: continue;
      default: return fail_errno("accept");
    }
  }
}

Result<PeerCredentials> peer_credentials(const Fd& socket) {
  ucred found{};
  socklen_t length = sizeof found;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &found, &length) < 0) {
    return fail_errno("peer credentials");
  }
  return PeerCredentials{found.pid, found.uid, found.gid};
}

Result<Endpoint> local_endpoint(const Fd& socket) {
  return endpoint_of(socket, "getsockname", ::getsockname);
}

Result<Endpoint> peer_endpoint(const Fd& socket) { return endpoint_of(socket, "getpeername", ::getpeername); }

Result<> set_no_delay(const Fd& socket) { return set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1); }

}  // namespace postrider::os
