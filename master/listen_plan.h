// Which sockets each service of master.cf needs: the one place where a service name such as "smtp",
// "127.0.0.1:10025", "[::1]:25" or "cleanup" becomes addresses and paths. Pure: names are looked up
// through an interface, nothing is opened. Used by master and by `postrider check`.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/address/ip.h"
#include "lib/base/error.h"
#include "lib/config/master_cf.h"
#include "lib/os/socket.h"

namespace postrider::master {

// The system's services(5) and hosts(5). Blocks.
class Names {
 public:
  virtual ~Names() = default;
  virtual std::optional<std::uint16_t> port(const std::string& service) = 0;
  // Empty: no such host.
  virtual std::vector<address::IpAddress> addresses(const std::string& host) = 0;
};
Names& system_names();

// What inet_interfaces and inet_protocols say together.
struct Interfaces {
  bool v4 = true;
  bool v6 = true;
  bool all = true;  // listen on the wildcard addresses
  std::vector<address::IpAddress> addresses;
  // The addresses are from `loopback-only`: one that this machine lacks is no mistake.
  bool loopback_only = false;
};
// configuration: an unknown word or host; the text names the parameter.
Result<Interfaces> parse_interfaces(const std::vector<std::string>& inet_interfaces,
                                    const std::vector<std::string>& inet_protocols, Names& names);

struct SocketPlan {
  enum class Kind { inet, unix_stream, unix_datagram, fifo };
  Kind kind = Kind::unix_stream;
  os::Endpoint where;   // for UNIX paths relative to the queue directory: "private/rewrite"
  mode_t mode = 0;      // of the socket file; the directory decides who reaches it
  bool needed = false;  // the service cannot do without: false for one address family of several

  std::string text() const;  // "127.0.0.1:25", "[::1]:25", "public/pickup"
  // Whether an open socket for the one serves as the other.
  bool same_as(const SocketPlan& other) const { return kind == other.kind && where == other.where; }
};

// The sockets of one service, in the order a daemon receives them. configuration: a host or port nobody
// knows, a name that leaves its directory; the text names file, line and service.
Result<std::vector<SocketPlan>> plan_sockets(const config::Service& service, const std::string& master_cf,
                                             const Interfaces& interfaces, Names& names);

// "smtp/inet": what identifies a service from one master.cf to the next.
std::string identity_of(const config::Service& service);

// What a reload does to the sockets that are open.
struct SocketChanges {
  std::vector<SocketPlan> kept;    // stay open: no connection in their queue is lost
  std::vector<SocketPlan> opened;  // new; after the closed ones are closed, since addresses may overlap
  std::vector<SocketPlan> closed;  // no longer wanted
};
SocketChanges compare(const std::vector<SocketPlan>& before, const std::vector<SocketPlan>& after);

}  // namespace postrider::master
