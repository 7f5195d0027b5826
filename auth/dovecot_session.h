// One client of Dovecot's authentication protocol: a Postfix with smtpd_sasl_type = dovecot, an Exim, or
// whatever else asks a Dovecot socket for logins. Many logins go on at a time, each with its number.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "auth/dovecot_protocol.h"
#include "auth/login.h"
#include "lib/event/scope.h"
#include "lib/event/sync.h"
#include "lib/io/stream.h"

namespace postrider::auth {

class DovecotSession {
 public:
  // The references outlive the session.
  DovecotSession(event::Loop& loop, Logins& logins, os::Fd client, std::uint32_t connection_id,
                 event::StopToken stop);

  // Until the client goes, which throws nothing.
  event::Task<> run();

  // Logins of one connection that may be under way; a client with more is not one.
  static constexpr std::size_t max_logins = 1000;

 private:
  event::Task<> read_commands();
  event::Task<> write_answers();
  bool obey(DovecotCommand command);
  event::Task<> work(std::uint32_t id, std::shared_ptr<Login> login, DovecotCommand command);

  event::Loop& loop_;
  Logins& logins_;
  std::uint32_t connection_id_;
  event::StopToken stop_;
  event::StopSource closing_;
  io::Stream input_;
  io::Stream output_;  // the same socket, since one coroutine reads and another writes
  event::Notice pending_;
  bool greeted_ = false;
  // Waiting for their next response. Shared with the step that works on one while CANCEL drops it.
  std::map<std::uint32_t, std::shared_ptr<Login>> waiting_;
  event::TaskScope tasks_;
};

}  // namespace postrider::auth
