#include "lib/os/socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "lib/os/files.h"
#include "tests/unit/os/faulty_files.h"

using namespace postrider;
using namespace postrider::os;
using os::test::TemporaryDirectory;

namespace {

bool ready(const Fd& fd, short what) {
  pollfd one{fd.get(), what, 0};
  return ::poll(&one, 1, 10'000) == 1;
}

bool nonblocking_and_cloexec(const Fd& fd) {
  return (::fcntl(fd.get(), F_GETFL) & O_NONBLOCK) != 0 && (::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0;
}

}  // namespace

TEST_CASE("a connection over TCP knows both ends") {
  for (const char* host : {"127.0.0.1", "::1"}) {
    auto listener = listen_inet({host, 0});
    if (!listener && listener.error().os_error() == EADDRNOTAVAIL) continue;  // a host without IPv6
    REQUIRE(listener);
    CHECK(nonblocking_and_cloexec(*listener));
    const auto where = local_endpoint(*listener);
    REQUIRE(where);
    CHECK(where->host == host);
    CHECK(where->port != 0);

    CHECK(os::accept(*listener)->get() == -1);  // nobody yet
    auto client = start_connect_inet(*where);
    REQUIRE(client);
    REQUIRE(ready(*client, POLLOUT));
    CHECK(connect_result(*client));
    REQUIRE(ready(*listener, POLLIN));
    auto served = os::accept(*listener);
    REQUIRE((served && *served));
    CHECK(nonblocking_and_cloexec(*served));
    CHECK(*peer_endpoint(*served) == *local_endpoint(*client));
    int no_delay = 0;
    socklen_t size = sizeof no_delay;
    REQUIRE(::getsockopt(served->get(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &size) == 0);
    CHECK(no_delay == 1);
  }
}

TEST_CASE("connecting to a port where nobody listens is reported as refused") {
  auto listener = listen_inet({"127.0.0.1", 0});
  const auto where = local_endpoint(*listener);
  listener->reset();
  const auto client = start_connect_inet(*where);
  if (client) {
    REQUIRE(ready(*client, POLLOUT));
    const auto result = connect_result(*client);
    REQUIRE_FALSE(result);
    CHECK(result.error().os_error() == ECONNREFUSED);
  } else {
    CHECK(client.error().os_error() == ECONNREFUSED);
  }
}

TEST_CASE("host names, wrong zones and foreign addresses are refused where a numeric address belongs") {
  CHECK(listen_inet({"localhost", 0}).error().is(Trouble::configuration));
  CHECK(listen_inet({"", 0}).error().is(Trouble::configuration));
  CHECK(listen_inet({"fe80::1%nosuchinterface", 0}).error().is(Trouble::configuration));
  CHECK(listen_inet({"192.0.2.1", 0}).error().text() ==
        "bind 192.0.2.1 port 0: Cannot assign requested address");
}

TEST_CASE("a UNIX listener replaces a stale socket but no other file, and sets its mode") {
  const TemporaryDirectory directory;
  const std::string path = directory / "service";
  REQUIRE(listen_unix(path, 0600));
  auto listener = listen_unix(path, 0666);  // the first is closed, its file is stale
  REQUIRE(listener);
  CHECK(system_files().lstat(path)->mode == 0666);
  auto client = connect_unix(path);
  REQUIRE(client);
  CHECK(nonblocking_and_cloexec(*client));
  const auto served = os::accept(*listener);
  REQUIRE((served && *served));
  const auto peer = peer_credentials(*served);
  REQUIRE(peer);
  CHECK(peer->pid == ::getpid());
  CHECK(peer->uid == ::geteuid());
  CHECK(local_endpoint(*served)->host == path);

  REQUIRE(replace_file(system_files(), directory / "file", "precious", 0600));
  CHECK(listen_unix(directory / "file", 0666).error().is(Trouble::configuration));
  CHECK(read_file(system_files(), directory / "file", 100).value_or("") == "precious");
}

TEST_CASE("a local service that is absent or has no listener is a temporary trouble") {
  const TemporaryDirectory directory;
  CHECK(connect_unix(directory / "none").error().is(Trouble::temporary));
  REQUIRE(listen_unix(directory / "stale", 0600));
  const auto refused = connect_unix(directory / "stale");
  CHECK(refused.error().is(Trouble::temporary));
  CHECK(refused.error().os_error() == ECONNREFUSED);
}

TEST_CASE("a UNIX path of 107 bytes serves and one of 108 is refused") {
  const TemporaryDirectory directory;
  const std::string longest = directory / std::string(106 - directory.path().size(), 'x');
  REQUIRE(longest.size() == 107);
  const auto listener = listen_unix(longest, 0600);
  REQUIRE(listener);
  CHECK(connect_unix(longest));
  CHECK(local_endpoint(*listener)->host == longest);
  CHECK(listen_unix(longest + "x", 0600).error().is(Trouble::configuration));
  CHECK(connect_unix(longest + "x").error().is(Trouble::configuration));
  CHECK(connect_unix(std::string("a\0b", 3)).error().is(Trouble::configuration));
}

TEST_CASE("a datagram socket receives whole messages") {
  const TemporaryDirectory directory;
  const auto receiver = receive_unix_datagrams(directory / "log", 0666);
  REQUIRE(receiver);
  CHECK(system_files().lstat(directory / "log")->mode == 0666);
  int both[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM, 0, both) == 0);
  const Fd one(both[0]);
  const Fd two(both[1]);
  char bytes[16];
  CHECK(::recv(receiver->get(), bytes, sizeof bytes, 0) == -1);  // empty, and not blocking
}

TEST_CASE("a FIFO is made once, survives its writers and is not mistaken for a file") {
  const TemporaryDirectory directory;
  const mode_t old_mask = ::umask(077);
  const auto reader = open_fifo(directory / "pickup", 0622);
  ::umask(old_mask);
  REQUIRE(reader);
  CHECK(system_files().stat(directory / "pickup")->mode == 0622);
  {
    const auto writer = system_files().open(directory / "pickup", O_WRONLY | O_NONBLOCK);
    REQUIRE(writer);
    REQUIRE(system_files().write(writer->get(), "W"));
  }
  char bytes[8];
  CHECK(*system_files().read(reader->get(), bytes) == 1);
  const auto nothing = system_files().read(reader->get(), bytes);
  REQUIRE_FALSE(nothing);
  CHECK(nothing.error().os_error() == EAGAIN);  // no end of file though the writer left
  CHECK(open_fifo(directory / "pickup", 0622));

  REQUIRE(replace_file(system_files(), directory / "file", "", 0600));
  CHECK(open_fifo(directory / "file", 0622).error().is(Trouble::configuration));
  REQUIRE(::symlink((directory / "pickup").c_str(), (directory / "link").c_str()) == 0);
  CHECK(open_fifo(directory / "link", 0622).error().os_error() == ELOOP);
}

TEST_CASE("the ends of a pair and of a pipe are connected") {
  auto pair = socket_pair();
  REQUIRE(pair);
  CHECK(nonblocking_and_cloexec(pair->first));
  REQUIRE(system_files().write(pair->first.get(), "x"));
  char bytes[4];
  CHECK(*system_files().read(pair->second.get(), bytes) == 1);
  auto ends = os::pipe();
  REQUIRE(ends);
  REQUIRE(system_files().write(ends->second.get(), "yz"));
  CHECK(*system_files().read(ends->first.get(), bytes) == 2);
}
