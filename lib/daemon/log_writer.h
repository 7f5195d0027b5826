// Where log lines go: a file, standard output, or syslog; with time, host, program and pid as
// Postfix prints them ("Nov 23 06:20:51 mail postfix/smtpd[4711]: …").
//
// Made by the skeleton before privileges are given up; the descriptor stays open after that. A line is
// one write, so processes may share a file. Lines that cannot be written are lost, never waited for.
#pragma once

#include <mutex>
#include <string>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/os/fd.h"

namespace postrider::daemon {

struct LogTarget {
  std::string file;      // maillog_file: a path, "/dev/stdout", or empty for syslog
  std::string facility;  // syslog_facility: "mail"
  std::string tag;       // "postfix/smtpd"
  std::string host;      // first label of the host name
  unsigned permissions = 0600;
};

class LogWriter final : public Log {
 public:
  // Goes to standard error until open() succeeded.
  LogWriter(const Clock& clock, std::string tag) : clock_(clock) { target_.tag = std::move(tag); }

  // On failure the former target stays in use; text names the file.
  Result<> open(LogTarget target);
  void write(Level level, std::string_view text) override;
  // For a forked child that closes everything else; -1 before open().
  int descriptor() const { return fd_.get(); }

 private:
  void send_to_syslog(Level level, const std::string& line);

  const Clock& clock_;
  LogTarget target_;
  os::Fd fd_;
  bool syslog_ = false;
  int facility_ = 2 << 3;  // LOG_MAIL
  std::mutex mutex_;
};

// This host's name up to the first dot.
std::string short_host_name();

}  // namespace postrider::daemon
