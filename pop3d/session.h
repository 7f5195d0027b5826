// One user's POP3 session, TRANSACTION and UPDATE states (RFC 1939 5 and 6). Runs in a process of its
// own as the user, on a plain connection: the client's socket, or the front's relay of a TLS client.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lib/base/log.h"
#include "lib/io/stream.h"
#include "lib/mailbox/pop3_maildrop.h"
#include "lib/pop3/command.h"

namespace postrider::pop3d {

class Session {
 public:
  Session(event::Loop& loop, Log& log, os::Files& files, io::Stream& stream, mailbox::Pop3Maildrop& maildrop,
          Seconds timeout, bool mark_seen);

  // From the first command to the end; `name` is "pop3(user)<pid><session>", for the log.
  event::Task<> run(std::string name);

 private:
  event::Task<> converse();
  event::Task<> command(pop3::CommandLine line);
  void stat();
  event::Task<> list(std::string_view arguments, bool uidl);
  event::Task<> retrieve(std::size_t index, std::optional<std::uint64_t> body_lines);
  void dele(std::string_view arguments);
  void reset();
  event::Task<> quit();
  // The message's place, from 0; answers and returns nullopt when there is none or it was deleted.
  std::optional<std::size_t> find(std::uint32_t number);
  std::string entry(std::size_t index, bool uidl) const;
  MonoTime deadline() const { return loop_.after(timeout_); }

  event::Loop& loop_;
  Log& log_;
  os::Files& files_;
  io::Stream& stream_;
  mailbox::Pop3Maildrop& maildrop_;
  Seconds timeout_;
  bool mark_seen_;
  bool done_ = false;
  std::vector<bool> deleted_, retrieved_;
  std::size_t deleted_count_ = 0;
  std::uint64_t deleted_octets_ = 0;
  std::uint64_t top_count_ = 0, top_bytes_ = 0, retr_count_ = 0, retr_bytes_ = 0;
  std::size_t expunged_ = 0;
};

}  // namespace postrider::pop3d
