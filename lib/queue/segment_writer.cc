#include "lib/queue/segment_writer.h"

#include <fcntl.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "lib/base/crc32c.h"
#include "lib/queue/bytes.h"

namespace postrider::queue {

namespace {

constexpr std::uint64_t max_segment_bytes = 1ULL << 30;
constexpr std::size_t records_per_write = 250;          // four parts each; the kernel takes 1024 at once
constexpr std::uint64_t bytes_per_write = 16ULL << 20;  // so that nobody waits for a huge batch
constexpr std::array<char, page_bytes> zeros{};

RecordHeader header_of(const PendingRecord& record, std::uint64_t secret) {
  RecordHeader header;
  header.id = record.id;
  header.secret = secret;
  header.envelope_bytes = static_cast<std::uint32_t>(record.envelope.size());
  header.in_content_file = record.in_content_file;
  header.content_bytes = record.content_bytes;
  header.envelope_checksum = crc32c(record.envelope);
  header.content_checksum = record.content_checksum;
  return header;
}

std::uint64_t bytes_of(const PendingRecord& record) {
  return round_up(record_header_bytes + record.envelope.size() + record.content.size(), 8);
}

iovec part(const char* data, std::size_t length) { return iovec{const_cast<char*>(data), length}; }

}  // namespace

std::string SegmentWriter::claim_path() const { return fmt::format("{}/claim.{:02}", layout_.pool(), slot_); }

std::vector<Result<Place>> SegmentWriter::commit(std::span<const PendingRecord> batch) {
  std::vector<Result<Place>> results;
  results.reserve(batch.size());
  while (!batch.empty()) {
    const std::uint64_t first = bytes_of(batch.front());
    if (auto room = make_room(first); !room) {
      // No segment: nothing of this batch can be kept.
      for (std::size_t i = 0; i < batch.size(); ++i) results.emplace_back(std::unexpect, room.error());
      break;
    }
    std::size_t count = 1;
    for (std::uint64_t bytes = first; count < batch.size() && count < records_per_write; ++count) {
      bytes += bytes_of(batch[count]);
      if (bytes > bytes_per_write || end_ + bytes > header_.bytes) break;
    }
    std::vector<Place> places;
    auto written = write_batch(batch.first(count), end_, places);
    if (written) written = files_.fdatasync(current_.get());
    if (written) {
      for (const Place& place : places) results.emplace_back(place);
    } else {
      // What of it reached the disk is unknown and never will be known: a second fdatasync can
      // succeed without having written the pages the first one lost.
      log_.error("journal segment {} given up: {}", header_.name.text(), written.error().text());
      give_up();
      for (std::size_t i = 0; i < count; ++i) results.emplace_back(std::unexpect, written.error());
    }
    batch = batch.subspan(count);
  }
  return results;
}

Result<> SegmentWriter::write_batch(std::span<const PendingRecord> batch, std::uint64_t start,
                                    std::vector<Place>& places) {
  std::string headers;
  headers.reserve(batch.size() * record_header_bytes);  // the parts point into it
  std::vector<iovec> parts;
  parts.reserve(4 * batch.size() + 1);
  std::uint64_t at = start;
  for (const PendingRecord& record : batch) {
    places.push_back({header_.name, static_cast<std::uint32_t>(at)});
    const std::size_t header_at = headers.size();
    encode(header_of(record, header_.secret), headers);
    parts.push_back(part(headers.data() + header_at, record_header_bytes));
    parts.push_back(part(record.envelope.data(), record.envelope.size()));
    parts.push_back(part(record.content.data(), record.content.size()));
    const std::uint64_t used = record_header_bytes + record.envelope.size() + record.content.size();
    parts.push_back(part(zeros.data(), round_up(used, 8) - used));
    at += round_up(used, 8);
  }
  parts.push_back(part(zeros.data(), round_up(at, page_bytes) - at));
  if (auto written = files_.pwritev(current_.get(), parts, start); !written) return written;
  end_ = round_up(at, page_bytes);
  return {};
}

Result<> SegmentWriter::make_room(std::uint64_t bytes) {
  if (bytes > max_segment_bytes - page_bytes)
    return fail(Trouble::permanent, "message too long for the journal");
  if (current_ && end_ + bytes <= header_.bytes) return {};
  if (current_) give_up();
  const std::uint64_t wanted = std::max(segment_bytes_, page_bytes + round_up(bytes, page_bytes));
  return open_segment(wanted);
}

// Guards against a directory that a crash left with a segment under two names.
Result<bool> SegmentWriter::is_unused(const os::Fd& fd, std::uint64_t bytes) {
  const auto status = files_.fstat(fd.get());
  if (!status) return fail(status.error());
  if (status->size != bytes || status->links != 1) return false;  // of another size once configured
  char start[64];
  const auto got = files_.pread(fd.get(), start, 0);
  if (!got) return fail(got.error());
  const auto header = decode_segment_header(std::string_view(start, *got));
  if (!header || header->name.serial == 0) return true;  // never used, or freed
  const auto live = files_.lstat(layout_.segment(header->name));
  return !live && live.error().is(Trouble::not_found);
}

// A file in the pool that only this process uses, its blocks reserved: recycled or new.
Result<> SegmentWriter::obtain_spare(std::uint64_t bytes) {
  if (spare_ && spare_bytes_ >= bytes) return {};
  spare_.reset();
  const std::string claim = claim_path();
  if (bytes == segment_bytes_) {
    std::vector<std::string> free;
    auto listed = files_.list(layout_.pool(), [&](std::string_view name) {
      if (name.starts_with("free.")) free.emplace_back(name);
      return free.size() < 8;
    });
    if (!listed) return listed;
    for (const std::string& name : free) {
      // Whoever renames it has it; the loser finds it gone.
      if (!files_.rename(layout_.pool() + "/" + name, claim)) continue;
      auto fd = files_.open(claim, O_RDWR | O_NOFOLLOW);
      if (!fd) return fail(fd.error());
      const auto usable = is_unused(*fd, bytes);
      if (!usable) return fail(usable.error());
      if (!*usable) continue;
      spare_ = std::move(*fd);
      spare_bytes_ = bytes;
      return {};
    }
  }
  if (auto gone = files_.unlink(claim); !gone && !gone.error().is(Trouble::not_found)) return gone;
  auto fd = files_.open(claim, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
  if (!fd) return fail(fd.error());
  auto ready = files_.allocate(fd->get(), 0, bytes);
  if (ready) ready = files_.fsync(fd->get());
  if (!ready) {
    (void)files_.unlink(claim);
    return ready;
  }
  spare_ = std::move(*fd);
  spare_bytes_ = bytes;
  return {};
}

// The new header is durable before the file has a name in incoming/: a segment seen there never
// shows the records of its former life.
Result<> SegmentWriter::open_segment(std::uint64_t bytes) {
  if (auto ready = obtain_spare(bytes); !ready) return ready;
  const auto secret = random_secret();
  if (!secret) return fail(secret.error());
  const auto now =
      static_cast<std::uint64_t>(std::max<std::int64_t>(clock_.wall().time_since_epoch().count(), 1));
  serial_ = std::max(now, serial_ + 1);
  const SegmentHeader header{{serial_, static_cast<std::uint8_t>(slot_)}, *secret, spare_bytes_};
  os::Fd fd = std::move(spare_);
  auto ready = files_.pwrite(fd.get(), encode(header), 0);
  if (ready) ready = files_.fdatasync(fd.get());
  if (ready) ready = files_.rename(claim_path(), layout_.segment(header.name));
  if (ready) ready = files_.sync_directory(layout_.incoming());
  if (!ready) return ready;  // the file, under either name, holds nothing and is found again
  current_ = std::move(fd);
  header_ = header;
  end_ = page_bytes;
  ++opened_;
  return {};
}

void SegmentWriter::prepare_spare() {
  if (auto ready = obtain_spare(segment_bytes_); !ready && !ready.error().is(Trouble::no_space))
    log_.warning("cannot prepare a journal segment: {}", ready.error().text());
}

void SegmentWriter::give_up() {
  current_.reset();
  end_ = 0;
}

void SegmentWriter::close() {
  if (current_ && end_ == page_bytes && header_.bytes == segment_bytes_)
    (void)files_.rename(layout_.segment(header_.name), layout_.pool() + "/free." + header_.name.text());
  give_up();
  if (spare_ && spare_bytes_ == segment_bytes_) {
    const SegmentName name{++serial_, static_cast<std::uint8_t>(slot_)};
    (void)files_.rename(claim_path(), layout_.pool() + "/free." + name.text());
  } else if (spare_) {
    (void)files_.unlink(claim_path());
  }
  spare_.reset();
}

}  // namespace postrider::queue
