#include "lib/daemon/log_writer.h"

#include <ctime>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/base/text.h"

namespace postrider::daemon {

namespace {

constexpr std::pair<std::string_view, int> facilities[] = {
    {"auth", LOG_AUTH},     {"authpriv", LOG_AUTHPRIV}, {"cron", LOG_CRON},     {"daemon", LOG_DAEMON},
    {"ftp", LOG_FTP},       {"kern", LOG_KERN},         {"lpr", LOG_LPR},       {"mail", LOG_MAIL},
    {"news", LOG_NEWS},     {"user", LOG_USER},         {"uucp", LOG_UUCP},     {"local0", LOG_LOCAL0},
    {"local1", LOG_LOCAL1}, {"local2", LOG_LOCAL2},     {"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4},
    {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6},     {"local7", LOG_LOCAL7}};

int severity(Level level) {
  switch (level) {
    case Level::debug:
    case Level::info: return LOG_INFO;
    case Level::warning: return LOG_WARNING;
    case Level::error: return LOG_ERR;
    case Level::fatal:
    case Level::panic: return LOG_CRIT;
  }
  return LOG_INFO;
}

// Lines that wait for the turn's end stay below this.
constexpr std::size_t most_gathered = 32 * 1024;

}  // namespace

std::string short_host_name() {
  char name[256] = "localhost";
  if (gethostname(name, sizeof name - 1) != 0) return "localhost";
  const std::string_view whole(name);
  return std::string(whole.substr(0, whole.find('.')));
}

Result<> LogWriter::open(LogTarget target) {
  int facility = -1;
  for (const auto& [name, number] : facilities)
    if (name == target.facility) facility = number;
  if (facility < 0)
    return fail(Trouble::configuration, "syslog_facility: unknown facility \"" + target.facility + "\"");
  // localtime_r reads the zone once; later, in a chroot, there is no zone file.
  tzset();
  os::Fd fd;
  bool syslog = false;
  if (target.file.empty()) {
    fd = os::Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::string_view("/dev/log").copy(address.sun_path, sizeof address.sun_path - 1);
    // Without a syslog daemon the log goes nowhere, as with syslog(3); mail is not held up for it.
    static_cast<void>(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
    syslog = true;
  } else if (target.file == "/dev/stdout") {
    fd = os::Fd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
  } else {
    fd = os::Fd(::open(target.file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                       static_cast<mode_t>(target.permissions)));
  }
  if (!fd) return fail_errno("open log " + (target.file.empty() ? std::string("socket") : target.file));
  const std::lock_guard lock(mutex_);
  fd_ = std::move(fd);
  syslog_ = syslog;
  facility_ = facility;
  target_ = std::move(target);
  return {};
}

LogWriter::LogWriter(const Clock& clock, std::string tag) : clock_(clock) { target_.tag = std::move(tag); }

LogWriter::~LogWriter() { flush(); }

void LogWriter::gather(std::function<void()> waiting) {
  const std::lock_guard lock(mutex_);
  waiting_ = std::move(waiting);
  gathering_thread_ = std::this_thread::get_id();
  pid_ = getpid();
}

void LogWriter::stop_gathering() {
  const std::lock_guard lock(mutex_);
  write_gathered();
  waiting_ = nullptr;
}

void LogWriter::flush() {
  const std::lock_guard lock(mutex_);
  write_gathered();
}

void LogWriter::forked() {
  // No thread but this one exists here, whoever held the mutex.
  gathered_.clear();
  waiting_ = nullptr;
}

// "Nov 23 06:20:51", the day padded with a blank as syslog does.
const std::string& LogWriter::timestamp() {
  const std::time_t second = std::chrono::system_clock::to_time_t(clock_.wall());
  if (second != stamped_second_) {
    std::tm parts{};
    localtime_r(&second, &parts);
    char text[32];
    stamp_.assign(text, std::strftime(text, sizeof text, "%b %e %H:%M:%S", &parts));
    stamped_second_ = second;
  }
  return stamp_;
}

void LogWriter::send_to_syslog(Level level, const std::string& line) {
  const std::string packet = fmt::format("<{}>{} {}", facility_ | severity(level), timestamp(), line);
  static_cast<void>(::send(fd_.get(), packet.data(), packet.size(), MSG_NOSIGNAL));
}

void LogWriter::write_gathered() {
  if (gathered_.empty()) return;
  [[maybe_unused]] const auto written = ::write(fd_.get(), gathered_.data(), gathered_.size());
  gathered_.clear();
}

void LogWriter::write(Level level, std::string_view text) {
  const std::lock_guard lock(mutex_);
  const std::string line = fmt::format("{}[{}]: {}{}", target_.tag, waiting_ ? pid_ : getpid(),
                                       severity_prefix(level), printable(text));
  if (syslog_) return send_to_syslog(level, line);
  if (!fd_) {
    const std::string whole = line + "\n";
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, whole.data(), whole.size());
    return;
  }
  const bool first = gathered_.empty();
  gathered_ += fmt::format("{} {} {}\n", timestamp(), target_.host, line);
  const bool waits = waiting_ && gathering_thread_ == std::this_thread::get_id() &&
                     (level == Level::info || level == Level::debug) && gathered_.size() < most_gathered;
  if (!waits)
    write_gathered();
  else if (first)
    waiting_();
}

}  // namespace postrider::daemon
