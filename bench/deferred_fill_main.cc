// bench/deferred_fill DIRECTORY COUNT UID: lays COUNT messages to sleep in a queue's deferred/, due in an
// hour, in the format of lib/queue but without its syncs: a million of them in a minute instead of ten. One
// sync at the end.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "lib/base/clock.h"
#include "lib/base/crc32c.h"
#include "lib/queue/layout.h"
#include "lib/queue/spill_format.h"

namespace {

using namespace postrider;
using namespace postrider::queue;

[[noreturn]] void die(std::string_view what) {
  fmt::print(stderr, "deferred_fill: {}: {}\n", what, std::strerror(errno));
  std::exit(1);
}

std::string padded(std::string bytes) {
  bytes.resize((bytes.size() + 7) / 8 * 8, '\0');
  return bytes;
}

// The whole file of one message.
std::string file_of(QueueId id, WallTime arrival, const std::string& content) {
  Envelope envelope;
  envelope.id = id;
  envelope.arrival = arrival;
  envelope.sender = "load@bench.example";
  envelope.size = content.size();
  Recipient recipient;
  recipient.address = fmt::format("sleeper{}@asleep.example", id.value() % 1000);
  recipient.attempts = 3;
  recipient.dsn = "4.4.1";
  recipient.reason = "connect to asleep.example[192.0.2.1]:25: Connection timed out";
  envelope.recipients.push_back(recipient);
  const auto encoded = encode(envelope);
  if (!encoded) die(encoded.error().text());
  const SpillHeader header{.id = id,
                           .content_bytes = content.size(),
                           .content_checksum = crc32c(content),
                           .envelope_bytes = static_cast<std::uint32_t>(encoded->size()),
                           .envelope_checksum = crc32c(*encoded)};
  return encode(header) + padded(content) + padded(*encoded);
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) {
    fmt::print(stderr, "usage: deferred_fill directory count uid\n");
    return 2;
  }
  const Layout layout(words[1]);
  const long wanted = std::strtol(words[2], nullptr, 10);
  const auto owner = static_cast<uid_t>(std::strtoul(words[3], nullptr, 10));
  const std::string content = "Subject: asleep\r\n\r\n" + std::string(400, 'X') + "\r\n";
  const WallTime start =
      std::chrono::time_point_cast<Microseconds>(std::chrono::system_clock::now()) - std::chrono::hours(1);
  const auto due = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()) + 3600;
  for (long i = 0; i < wanted; ++i) {
    const WallTime arrival = start + std::chrono::microseconds(i * 7);
    const QueueId id = QueueId::make_short(arrival, slot_count - 1);
    const std::string path = layout.spilled(Shelf::deferred, id);
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0) die(path);
    const std::string bytes = file_of(id, arrival, content);
    const timespec times[2] = {{.tv_sec = due, .tv_nsec = 0}, {.tv_sec = due, .tv_nsec = 0}};
    if (::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) ||
        ::fchown(fd, owner, owner) != 0 || ::futimens(fd, times) != 0)
      die(path);
    ::close(fd);
  }
  ::sync();
  return 0;
}
