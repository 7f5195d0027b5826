// Servers that follow a script, on loopback, in the loop of the test.
//
//   S: 220 hello          send a line
//   C: EHLO me.test       expect this line; "C: *" takes any
//   DATA                  read content up to the dot, kept in `contents`
//   CLOSE                 close the connection
//   HANG                  say nothing more, and keep the connection
//   FLUSH                 send now what was said
//   TLS                   the server's side of a handshake
//
// Behind its last line a script waits until the client closes.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "lib/event/scope.h"
#include "lib/io/stream.h"
#include "lib/os/fd.h"
#include "lib/tls/context.h"

namespace postrider::smtp_client::test {

class FakeServer {
 public:
  // A script for each connection, in their order; a connection beyond them is closed at once. `ip` may be the
  // path of a UNIX socket.
  FakeServer(event::Loop& loop, std::deque<std::string> scripts, std::string ip = "127.0.0.1",
             std::uint16_t wanted_port = 0);
  ~FakeServer();

  std::string nexthop() const;  // "[127.0.0.1]:port"
  std::string label() const { return ip_ + "[" + ip_ + "]"; }
  std::uint16_t port() const { return port_; }

  std::vector<std::string> contents;
  std::vector<std::string> heard;  // every line that came, content left out
  std::string complaints;          // what did not follow the script
  int connections = 0;
  const tls::ServerContext* tls = nullptr;
  io::KeySigner* keys = nullptr;

 private:
  event::Task<> accept_all();
  event::Task<> play(os::Fd socket, std::string script);
  event::Task<> play_lines(io::Stream& stream, const std::string& script);

  event::Loop& loop_;
  std::deque<std::string> scripts_;
  std::string ip_;
  os::Fd listener_;
  std::uint16_t port_ = 0;
  event::StopSource stop_;
  event::TaskScope scope_;
};

}  // namespace postrider::smtp_client::test
