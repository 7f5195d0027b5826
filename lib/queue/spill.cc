#include "lib/queue/spill.h"

#include <fcntl.h>

#include <algorithm>

#include <fmt/core.h>

#include "lib/base/crc32c.h"
#include "lib/queue/bytes.h"
#include "lib/queue/file_bytes.h"
#include "lib/queue/spill_format.h"

namespace postrider::queue {

namespace {

constexpr std::size_t copy_bytes = 256U << 10;
constexpr std::uint64_t max_status_region = 64U << 20;
constexpr std::uint64_t max_damaged_bytes = 1U << 30;  // the largest segment
// Status blocks beyond this and beyond the message itself are worth a rewrite.
constexpr std::uint64_t rewrite_status_bytes = 64U << 10;

// Copies the content behind the header page and returns its checksum.
Result<std::uint32_t> copy_content(os::Files& files, const Content& content, int to) {
  std::uint32_t checksum = 0;
  for (std::uint64_t done = 0; done < content.length;) {
    const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(copy_bytes, content.length - done));
    const auto bytes = content.read(files, done, length);
    if (!bytes) return fail(bytes.error());
    if (auto written = files.pwrite(to, *bytes, content_offset + done); !written)
      return fail(written.error());
    checksum = crc32c(*bytes, checksum);
    done += length;
  }
  return checksum;
}

Result<std::uint32_t> content_checksum(os::Files& files, const Content& content) {
  std::uint32_t checksum = 0;
  for (std::uint64_t done = 0; done < content.length;) {
    const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(copy_bytes, content.length - done));
    const auto bytes = content.read(files, done, length);
    if (!bytes) return fail(bytes.error());
    checksum = crc32c(*bytes, checksum);
    done += length;
  }
  return checksum;
}

// Writes header and envelope around content that is in its place, and makes all of it durable.
Result<> finish(os::Files& files, int fd, const Envelope& envelope, std::uint64_t bytes,
                std::uint32_t checksum, WallTime next_attempt) {
  auto encoded = encode(envelope);
  if (!encoded) return fail(encoded.error());
  SpillHeader header;
  header.id = envelope.id;
  header.content_bytes = bytes;
  header.content_checksum = checksum;
  header.envelope_bytes = static_cast<std::uint32_t>(encoded->size());
  header.envelope_checksum = crc32c(*encoded);
  std::string tail(static_cast<std::size_t>(header.envelope_offset() - content_offset - bytes), '\0');
  tail += *encoded;
  tail.resize(static_cast<std::size_t>(header.status_offset() - content_offset - bytes), '\0');
  auto done = files.pwrite(fd, tail, content_offset + bytes);
  if (done) done = files.truncate(fd, header.status_offset());  // what an earlier try left
  if (done) done = files.pwrite(fd, encode(header), 0);
  if (done) done = files.set_modified(fd, next_attempt);
  if (done) done = files.fsync(fd);
  return done;
}

}  // namespace

Result<> SpillStore::put(Shelf shelf, const Message& message, WallTime next_attempt) {
  const QueueId id = message.envelope.id;
  if (!id) return fail(Trouble::permanent, "a message without a queue id");
  const std::string directory = layout_.shelf_directory(shelf, id);
  const std::string path = layout_.spilled(shelf, id);
  if (files_.lstat(path)) {
    // An id that came twice must not cost the message that had it first.
    const auto there = read(shelf, id);
    if (there && (there->envelope.arrival != message.envelope.arrival ||
                  there->envelope.sender != message.envelope.sender))
      return fail(Trouble::permanent, path + ": another message has this id");
  }
  std::string unfinished = layout_.content(id);
  Result<> done;
  if (message.in_content_file) {
    // Completed in place: until the rename the journal's record still describes it.
    auto fd = files_.open(unfinished, O_RDWR | O_NOFOLLOW);
    if (!fd) return fail(fd.error());
    done = finish(files_, fd->get(), message.envelope, message.content.length, message.content_checksum,
                  next_attempt);
    if (done) done = files_.rename(unfinished, path);
  } else {
    unfinished = fmt::format("{}/.{}", directory, id);
    auto fd = files_.open(unfinished, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW);
    if (!fd) return fail(fd.error());
    const auto checksum = copy_content(files_, message.content, fd->get());
    if (!checksum)
      done = fail(checksum.error());
    else
      done = finish(files_, fd->get(), message.envelope, message.content.length, *checksum, next_attempt);
    if (done) done = files_.rename(unfinished, path);
    if (!done) (void)files_.unlink(unfinished);
  }
  if (!done) return done;
  done = files_.sync_directory(directory);
  if (!done) {
    // The journal's record goes on being the message: a second copy would be delivered again at the next
    // start, and a record without its content not at all.
    if (message.in_content_file)
      (void)files_.rename(path, unfinished);
    else
      (void)files_.unlink(path);
  }
  return done;
}

Result<SpilledMessage> SpillStore::read(Shelf shelf, QueueId id, bool check_content) const {
  auto message = read_path(layout_.spilled(shelf, id), check_content);
  if (message && message->envelope.id != id)
    return fail(Trouble::permanent, fmt::format("{}: holds {}", id, message->envelope.id));
  return message;
}

Result<SpilledMessage> SpillStore::read_path(const std::string& path, bool check_content) const {
  auto fd = files_.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) return fail(fd.error());
  const auto status = files_.fstat(fd->get());
  if (!status) return fail(status.error());
  const auto damaged = [&](std::string_view why) {
    return fail(Trouble::permanent, fmt::format("{}: {}", path, why));
  };
  if (status->kind != os::FileStatus::Kind::regular) return damaged("not a regular file");
  if (status->size < content_offset) return damaged("cut off");
  const auto start = read_exactly(files_, fd->get(), 0, spill_header_bytes);
  if (!start) return fail(start.error());
  const auto header = decode_spill_header(*start);
  if (!header) return damaged(header.error().text());
  if (header->envelope_offset() + header->envelope_bytes > status->size) return damaged("cut off");
  const auto encoded = read_exactly(files_, fd->get(), header->envelope_offset(), header->envelope_bytes);
  if (!encoded) return fail(encoded.error());
  if (crc32c(*encoded) != header->envelope_checksum) return damaged("envelope damaged");
  auto envelope = decode_envelope(*encoded);
  if (!envelope) return damaged(envelope.error().text());
  if (envelope->id != header->id) return damaged("envelope of another message");

  SpilledMessage message;
  message.envelope = std::move(*envelope);
  message.content_checksum = header->content_checksum;
  message.content.offset = content_offset;
  message.content.length = header->content_bytes;
  message.next_attempt = status->modified;
  message.file_bytes = header->status_offset();
  if (status->size > message.file_bytes) {
    const std::uint64_t left = std::min(status->size - message.file_bytes, max_status_region);
    const auto blocks = read_exactly(files_, fd->get(), message.file_bytes, static_cast<std::size_t>(left));
    if (!blocks) return fail(blocks.error());
    std::string_view rest(*blocks);
    while (!rest.empty()) {
      const auto taken = apply_status(rest, message.envelope);
      if (!taken) break;
      rest.remove_prefix(static_cast<std::size_t>(std::min<std::uint64_t>(*taken, rest.size())));
      message.file_bytes += *taken;
    }
    message.torn_status = !rest.empty();
  }
  message.content.fd = std::move(*fd);
  if (check_content) {
    const auto checksum = content_checksum(files_, message.content);
    if (!checksum) return fail(checksum.error());
    if (*checksum != header->content_checksum) return damaged("content damaged");
  }
  return message;
}

bool SpillStore::exists(Shelf shelf, QueueId id) const {
  return files_.lstat(layout_.spilled(shelf, id)).has_value();
}

std::optional<Shelf> SpillStore::find(QueueId id) const {
  for (const Shelf shelf : {Shelf::deferred, Shelf::hold, Shelf::corrupt})
    if (exists(shelf, id)) return shelf;
  return std::nullopt;
}

Result<> SpillStore::update(Shelf shelf, const Envelope& before, const Envelope& after, WallTime next_attempt,
                            Sync sync) {
  const std::string path = layout_.spilled(shelf, after.id);
  auto present = read(shelf, after.id);  // says where the valid blocks end
  if (!present) return fail(present.error());
  const std::string block = encode_status(before, after);
  const std::uint64_t status_bytes = present->file_bytes - content_offset - present->content.length;
  if (status_bytes + block.size() > rewrite_status_bytes + after.recipients.size() * 512 &&
      status_bytes > present->content.length) {
    Message whole{after, std::move(present->content), false, present->content_checksum};
    return put(shelf, whole, next_attempt);
  }
  auto fd = files_.open(path, O_RDWR | O_NOFOLLOW);
  if (!fd) return fail(fd.error());
  Result<> done;
  if (present->torn_status) done = files_.truncate(fd->get(), present->file_bytes);
  if (done) done = files_.pwrite(fd->get(), block, present->file_bytes);
  if (done) done = files_.set_modified(fd->get(), next_attempt);
  if (done && sync == Sync::now) done = files_.fsync(fd->get());
  return done;
}

Result<> SpillStore::reschedule(QueueId id, WallTime next_attempt) {
  return files_.set_modified(layout_.spilled(Shelf::deferred, id), next_attempt);
}

Result<> SpillStore::remove(Shelf shelf, QueueId id) { return files_.unlink(layout_.spilled(shelf, id)); }

Result<> SpillStore::move(QueueId id, Shelf from, Shelf to, WallTime next_attempt) {
  const std::string old_path = layout_.spilled(from, id);
  const std::string new_path = layout_.spilled(to, id);
  if (files_.lstat(new_path)) return fail(Trouble::permanent, new_path + ": exists already");
  auto done = files_.set_modified(old_path, next_attempt);
  if (done) done = files_.rename(old_path, new_path);
  if (done) done = files_.sync_directory(layout_.shelf_directory(to, id));
  if (done) done = files_.sync_directory(layout_.shelf_directory(from, id));
  return done;
}

Result<> SpillStore::list(Shelf shelf, const std::function<bool(QueueId)>& each) const {
  bool more = true;
  const auto in = [&](const std::string& directory) {
    return files_.list(directory, [&](std::string_view name) {
      if (const auto id = QueueId::parse(name)) more = each(*id);
      return more;
    });
  };
  if (shelf != Shelf::deferred) return in(layout_.shelf(shelf));
  for (const char letter : std::string_view("0123456789ABCDEF")) {
    if (!more) break;
    auto listed = in(layout_.shelf(shelf) + "/" + letter);
    if (!listed && !listed.error().is(Trouble::not_found)) return listed;
  }
  return {};
}

Result<> SpillStore::keep_damaged(const std::string& name, std::string_view bytes) {
  if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos)
    return fail(Trouble::permanent, "not a file name: " + name);
  return os::replace_file(files_, layout_.shelf(Shelf::corrupt) + "/" + name, bytes, 0600);
}

Result<> SpillStore::keep_damaged_record(Place place, std::uint64_t bytes) {
  if (bytes > max_damaged_bytes) return fail(Trouble::permanent, "damaged record is too long to be kept");
  const auto fd = files_.open(layout_.segment(place.segment), O_RDONLY | O_NOFOLLOW);
  if (!fd) return fail(fd.error());
  const auto record = read_exactly(files_, fd->get(), place.offset, static_cast<std::size_t>(bytes));
  if (!record) return fail(record.error());
  return keep_damaged(fmt::format("{}.{}", place.segment.text(), place.offset), *record);
}

}  // namespace postrider::queue
