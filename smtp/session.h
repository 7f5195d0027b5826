// One connection to a server: greeting, EHLO or LHLO, STARTTLS, and the words for what goes wrong in it.
//
// Trust: all that the server says is a stranger's; replies are capped and cleaned before they are kept. A
// session whose wait threw io::Ended is good for ended() and destruction only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/io/stream.h"
#include "lib/smtp/extensions.h"
#include "lib/smtp/reply.h"
#include "smtp/failure.h"
#include "smtp/surroundings.h"
#include "smtp/targets.h"

namespace postrider::smtp_client {

// A connected socket, or why there is none: "connect to H[IP]:25: Connection refused".
event::Task<std::expected<os::Fd, Failure>> connect_to(Surroundings& here, Target target);

class Session {
 public:
  // `nexthop` is the one the mail was for; certificates are matched with it.
  Session(Surroundings& here, Target target, std::string nexthop, os::Fd socket);

  // Everything before the first MAIL. A failure ends the session. `in_clear`: without TLS, though it could.
  event::Task<std::optional<Failure>> begin(bool in_clear);
  // begin() failed in the TLS handshake: another attempt in clear may work, where that is allowed.
  bool tls_failed() const { return tls_failed_; }

  // QUIT and the end. Never throws.
  event::Task<> quit();

  // The next reply, whole, within the time.
  event::Task<smtp::Reply> reply(Seconds timeout);
  void command(std::string_view line);

  // What is being done, for ended(): "sending RCPT TO". Static text.
  void doing(const char* what) { doing_ = what; }
  Failure ended(const io::Ended& how) const;
  // "host H[IP] said: … (in reply to RCPT TO command)"
  Failure said(const smtp::Reply& reply, const char* in_reply_to) const;

  const Target& target() const { return target_; }
  const std::string& nexthop() const { return nexthop_; }
  const smtp::Extensions& offers() const { return offers_; }
  io::Stream& stream() { return stream_; }
  bool secure() const { return stream_.secure(); }

  // For the next message on this connection.
  unsigned uses = 0;         // messages it was used for, the present one included
  bool needs_reset = false;  // a transaction was begun and not finished
  bool finished = false;     // the server is about to close, or its state is not known
  MonoTime opened;
  // Nothing was said or closed by the server meanwhile.
  bool alive() const;

 private:
  event::Task<std::optional<Failure>> greet(bool in_clear);
  event::Task<std::optional<Failure>> hello();
  event::Task<std::optional<Failure>> start_tls();
  Failure refused(const smtp::Reply& reply) const;
  Failure ours(std::string dsn, std::string reason) const;
  std::vector<std::string> names_to_match() const;

  Surroundings& here_;
  Target target_;
  std::string nexthop_;
  io::Stream stream_;
  smtp::Extensions offers_;
  const char* doing_ = "receiving the initial server greeting";
  std::string garbage_;  // what was no reply
  bool tls_failed_ = false;
};

}  // namespace postrider::smtp_client
