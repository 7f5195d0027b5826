// Sockets and pipes, made close-on-exec and non-blocking. UNIX paths over 107 bytes are refused.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <sys/types.h>

#include "lib/base/error.h"
#include "lib/os/fd.h"

namespace postrider::os {

// Who is at the other end of a connected UNIX socket, as the kernel knows it.
struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

// A numeric address and port: "192.0.2.1" or "2001:db8::1", never a name. For UNIX sockets `host`
// is the path and `port` 0.
struct Endpoint {
  std::string host;
  std::uint16_t port = 0;
  bool operator==(const Endpoint&) const = default;
};

// Replaces a stale socket file. `mode` is the permission of the socket file.
Result<Fd> listen_unix(const std::string& path, mode_t mode, int backlog = 1024);
// The same for datagrams: one send is one message, there is nothing to accept.
Result<Fd> receive_unix_datagrams(const std::string& path, mode_t mode);
// `host` is numeric; SO_REUSEADDR, IPV6_V6ONLY, and TCP_NODELAY for all its connections. Port 0 lets the
// kernel choose (see local_endpoint).
Result<Fd> listen_inet(const Endpoint& where, int backlog = 1024);
// Blocking connect to a local service; ECONNREFUSED and ENOENT are Trouble::temporary.
Result<Fd> connect_unix(const std::string& path);
// Begins a connect; the socket becomes writable when it ended, then see connect_result().
Result<Fd> start_connect_inet(const Endpoint& to, const Endpoint* from = nullptr);
Result<> connect_result(const Fd& socket);

Result<std::pair<Fd, Fd>> socket_pair();  // SOCK_STREAM
Result<std::pair<Fd, Fd>> pipe();         // read end, write end; blocking
// Open for reading and writing, so that the last writer's leaving is no end of file.
Result<Fd> open_fifo(const std::string& path, mode_t mode);  // makes it if needed

// A new connection, or an empty Fd when none is waiting.
Result<Fd> accept(const Fd& listener);

Result<PeerCredentials> peer_credentials(const Fd& socket);
Result<Endpoint> local_endpoint(const Fd& socket);
Result<Endpoint> peer_endpoint(const Fd& socket);
Result<> set_no_delay(const Fd& socket);

}  // namespace postrider::os
