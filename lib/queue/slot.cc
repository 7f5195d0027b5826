#include "lib/queue/slot.h"

#include <fcntl.h>

#include <algorithm>
#include <string>

#include "lib/base/crc32c.h"
#include "lib/queue/bytes.h"

// The slot file: two notes of 12 bytes, each a number and its crc32c, at 0 (ids) and 16 (serial). Two
// threads write one each.

namespace postrider::queue {

namespace {

constexpr std::uint64_t ids_at = 0;
constexpr std::uint64_t serial_at = 16;
constexpr Seconds ahead{10};

std::string note(std::uint64_t value) {
  std::string bytes;
  put<std::uint64_t>(bytes, value);
  put<std::uint32_t>(bytes, crc32c(bytes));
  return bytes;
}

std::uint64_t read_note(std::string_view bytes, std::size_t at) {
  if (bytes.size() < at + 12) return 0;
  if (get<std::uint32_t>(bytes, at + 8) != crc32c(bytes.substr(at, 8))) return 0;
  return get<std::uint64_t>(bytes, at);
}

}  // namespace

Result<Slot> Slot::take(os::Files& files, const Layout& layout) {
  for (unsigned number = 0; number < slot_count; ++number) {
    auto fd = files.open(layout.slot(number), O_RDWR | O_CREAT | O_NOFOLLOW);
    if (!fd) return fail(fd.error());
    const auto locked = files.try_lock(fd->get(), true);
    if (!locked) return fail(locked.error());
    if (!*locked) continue;
    Slot slot(files, std::move(*fd), number);
    if (auto recalled = slot.recall(layout); !recalled) return fail(recalled.error());
    return slot;
  }
  return fail(Trouble::temporary, "all 64 slots of " + layout.incoming() + " are taken by running processes");
}

Result<> Slot::recall(const Layout& layout) {
  char bytes[32];
  const auto got = files_->pread(fd_.get(), bytes, 0);
  if (!got) return fail(got.error());
  const std::string_view notes(bytes, *got);
  const std::uint64_t ids = read_note(notes, ids_at);
  if (ids <= static_cast<std::uint64_t>(INT64_MAX))
    ids_until_ = WallTime(Microseconds(static_cast<std::int64_t>(ids)));
  serial_ = read_note(notes, serial_at);
  return files_->list(layout.incoming(), [&](std::string_view name) {
    const auto segment = SegmentName::parse(name);
    if (segment && segment->slot == number_) serial_ = std::max(serial_, segment->serial);
    return true;
  });
}

void Slot::note_id(WallTime time) {
  if (time <= ids_until_) return;
  const WallTime until = time + ahead;
  const auto bytes = note(static_cast<std::uint64_t>(until.time_since_epoch().count()));
  if (files_->pwrite(fd_.get(), bytes, ids_at)) ids_until_ = until;
}

void Slot::note_serial(std::uint64_t serial) {
  if (serial <= serial_) return;
  if (files_->pwrite(fd_.get(), note(serial), serial_at)) serial_ = serial;
}

}  // namespace postrider::queue
