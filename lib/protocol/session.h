// How a mail access front (pop3d, imapd) hands a client to a session of the user who logged in: sent
// once on a new connection to private/pop3-session or private/imap-session, answered once, then the
// front relays bytes over `client`, or forgets the client when that is its own socket.
#pragma once

#include <cstdint>
#include <string>

#include "lib/ipc/codec.h"

namespace postrider::protocol {

struct OpenSession {
  static constexpr std::string_view name = "session.open/1";
  std::string ticket;  // from auth, redeemed by the session's starter: a front cannot invent a user
  os::Fd client;       // the client's socket (no TLS), or the session's end of a socket pair
  std::string client_address, local_address;
  std::string session_id;  // for the log
  bool secure = false;
  std::string pipelined;  // input that arrived after the login command
  std::string greeting;   // to be sent first on success: the answer to the login command
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.ticket, 64);
    v.fd(self.client);
    v.text(self.client_address, 64);
    v.text(self.local_address, 64);
    v.text(self.session_id, 64);
    v.flag(self.secure);
    v.text(self.pipelined, 64 * 1024);
    v.text(self.greeting, 1024);
  }
};

struct SessionOpened {
  static constexpr std::string_view name = "session.opened/1";
  enum class Outcome : std::uint8_t {
    opened,     // the session answers the client from here on
    refused,    // the ticket is unknown or expired, or the user may not log in
    in_use,     // another session holds the mailbox
    temporary,  // try again later
  };
  Outcome outcome = Outcome::temporary;
  std::string text;  // for the client
  std::uint32_t pid = 0;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.word(self.outcome, Outcome::temporary);
    v.text(self.text, 512);
    v.number(self.pid, UINT32_MAX);
  }
};

}  // namespace postrider::protocol
