// Where log lines go: a file, standard output, or syslog; with time, host, program and pid as
// Postfix prints them ("Nov 23 06:20:51 mail postfix/smtpd[4711]: …").
//
// Made by the skeleton before privileges are given up; the descriptor stays open after that. Processes may
// share a file, since whole lines are written at once: once gather() was called, those of
// one turn of the loop together; errors, and other threads' lines, at once. Lines that cannot be
// written are lost, never waited for.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <thread>

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
  LogWriter(const Clock& clock, std::string tag);
  ~LogWriter() override;

  // On failure the former target stays in use; text names the file.
  Result<> open(LogTarget target);
  void write(Level level, std::string_view text) override;
  // From now on lines of this thread wait for flush(): `waiting` is told of the first. Until
  // stop_gathering().
  void gather(std::function<void()> waiting);
  void stop_gathering();
  void flush();
  // In a forked child: what waits here is the parent's to write.
  void forked();
  // For a forked child that closes everything else; -1 before open().
  int descriptor() const { return fd_.get(); }

 private:
  void send_to_syslog(Level level, const std::string& line);
  const std::string& timestamp();
  void write_gathered();

  const Clock& clock_;
  LogTarget target_;
  os::Fd fd_;
  bool syslog_ = false;
  int facility_ = 2 << 3;  // LOG_MAIL
  pid_t pid_ = 0;          // while gathering
  std::int64_t stamped_second_ = -1;
  std::string stamp_;  // of that second

  std::mutex mutex_;
  std::string gathered_;
  std::thread::id gathering_thread_;
  std::function<void()> waiting_;  // set while gathering
};

// This host's name up to the first dot.
std::string short_host_name();

}  // namespace postrider::daemon
