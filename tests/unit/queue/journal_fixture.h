// A queue directory of a test's own, with small segments.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/crc32c.h"
#include "lib/base/log.h"
#include "lib/os/files.h"
#include "lib/queue/layout.h"
#include "lib/queue/queue_reader.h"
#include "lib/queue/segment_writer.h"
#include "tests/unit/os/faulty_files.h"

namespace postrider::queue::test {

inline constexpr std::uint64_t small_segment = 64U << 10;

struct QueueDirectory {
  os::test::TemporaryDirectory directory;
  Layout layout{directory.path()};
  ManualClock clock;
  MemoryLog log;
  QueueDirectory() { (void)create_queue_directories(os::system_files(), layout); }

  Envelope envelope(unsigned number) {
    Envelope e;
    e.id = QueueId::make_short(clock.wall() + Microseconds(number), 0);
    e.arrival = clock.wall();
    e.sender = "sender" + std::to_string(number) + "@example.org";
    e.recipients.resize(1);
    e.recipients[0].address = "rcpt@example.com";
    return e;
  }
  SegmentWriter writer(os::Files& files, unsigned slot = 0) {
    return SegmentWriter(files, clock, log, layout, slot, small_segment, 0);
  }
  std::vector<std::string> names(const std::string& path) {
    std::vector<std::string> found;
    (void)os::system_files().list(path, [&](std::string_view name) {
      found.emplace_back(name);
      return true;
    });
    std::sort(found.begin(), found.end());
    return found;
  }
  std::vector<SegmentName> segments() {
    QueueReader reader(os::system_files(), layout);
    return reader.segments().value();
  }
};

// Owns what a PendingRecord views.
struct Letter {
  Envelope envelope;
  std::string encoded;
  std::string content;
  Letter(Envelope e, std::string text) : envelope(std::move(e)), content(std::move(text)) {
    envelope.size = content.size();
    encoded = encode(envelope).value();
  }
  PendingRecord record() const {
    return {envelope.id, encoded, content, content.size(), crc32c(content), false};
  }
};

inline std::string content_of(const Content& content) {
  return content.read(os::system_files(), 0, content.length).value_or("");
}

inline std::vector<Found> scan_all(os::Files& files, const Layout& layout, SegmentName name,
                                   bool tail = false) {
  QueueReader reader(files, layout);
  std::vector<Found> all;
  auto scan = reader.scan(name);
  if (!scan) return all;
  scan->report_tail(tail);
  for (;;) {
    auto found = scan->next();
    if (!found || !*found) return all;
    all.push_back(std::move(**found));
  }
}

// A scan that came to the end, as recycling wants it.
inline SegmentScan read_to_end(const QueueDirectory& queue, SegmentName name) {
  QueueReader reader(os::system_files(), queue.layout);
  auto scan = reader.scan(name).value();
  while (scan.next().value()) {
  }
  return scan;
}

inline std::string file_bytes(const std::string& path) {
  return os::read_file(os::system_files(), path, 1U << 30).value();
}
inline void overwrite(const std::string& path, std::string_view bytes, std::uint64_t at) {
  auto fd = os::system_files().open(path, 1 /* O_WRONLY */);
  (void)os::system_files().pwrite(fd->get(), bytes, at);
}

}  // namespace postrider::queue::test
