#include "lib/mailbox/snapshot.h"

#include <cstring>
#include <limits>

#include <fcntl.h>

#include "lib/base/crc32c.h"
#include "lib/os/memory.h"

namespace postrider::mailbox {

namespace {

constexpr std::string_view magic = "PRSNAP1\n";
constexpr std::uint64_t size_limit = std::uint64_t{1} << 31;

struct FileStamp {
  std::uint64_t inode, size;
  std::int64_t modified;  // microseconds
};

struct FileHeader {
  char magic[8];
  std::uint32_t checksum;  // CRC32C of all that follows this field
  std::uint32_t count;     // of messages
  std::uint32_t uid_validity, next_uid;
  std::uint64_t text_size;
  FileStamp cur, fresh, list;
};

struct FileRecord {
  std::uint64_t size, virtual_size;
  std::uint32_t uid;
  std::uint16_t name_size, fields_size;
};

constexpr std::size_t checked_from = offsetof(FileHeader, count);

static_assert(sizeof(FileHeader) == 104 && sizeof(FileRecord) == 24, "no padding, which would be written");

FileStamp to_file(const Stamp& stamp) {
  return {stamp.inode, stamp.size, stamp.modified.time_since_epoch().count()};
}
Stamp from_file(const FileStamp& stamp) {
  return {stamp.inode, WallTime(Microseconds(stamp.modified)), stamp.size};
}

std::uint32_t checksum_of(const FileHeader& header, std::string_view rest) {
  const std::string_view bytes(reinterpret_cast<const char*>(&header), sizeof header);
  return crc32c(rest, crc32c(bytes.substr(checked_from)));
}

}  // namespace

std::optional<Snapshot> Snapshot::open(os::Files& files, const std::string& path) {
  auto fd = files.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) return std::nullopt;
  FileHeader header{};
  const auto got = files.pread(fd->get(), {reinterpret_cast<char*>(&header), sizeof header}, 0);
  if (!got || *got != sizeof header || std::string_view(header.magic, magic.size()) != magic)
    return std::nullopt;
  Snapshot snapshot(files, std::move(*fd));
  snapshot.origin_ = {from_file(header.cur), from_file(header.fresh), from_file(header.list),
                      header.uid_validity, header.next_uid};
  snapshot.checksum_ = header.checksum;
  snapshot.count_ = header.count;
  snapshot.text_size_ = header.text_size;
  return snapshot;
}

bool Snapshot::read(std::vector<MaildirMessage>& messages, std::unique_ptr<char[]>& text) const {
  const auto status = files_->fstat(fd_.get());
  if (!status || status->size > size_limit || text_size_ > size_limit) return false;
  const std::uint64_t size = std::uint64_t{count_} * sizeof(FileRecord) + text_size_;
  if (status->size != sizeof(FileHeader) + size) return false;

  auto bytes = std::make_unique_for_overwrite<char[]>(size);
  os::populate(bytes.get(), size);
  for (std::uint64_t filled = 0; filled < size;) {
    const auto got =
        files_->pread(fd_.get(), {bytes.get() + filled, size - filled}, sizeof(FileHeader) + filled);
    if (!got || *got == 0) return false;
    filled += *got;
  }
  FileHeader header{};
  header.count = count_;
  header.uid_validity = origin_.uid_validity;
  header.next_uid = origin_.next_uid;
  header.text_size = text_size_;
  header.cur = to_file(origin_.cur);
  header.fresh = to_file(origin_.fresh);
  header.list = to_file(origin_.list);
  if (checksum_of(header, {bytes.get(), size}) != checksum_) return false;

  os::reserve_pages(messages, count_);
  const char* record_at = bytes.get();
  const char* text_at = bytes.get() + count_ * sizeof(FileRecord);
  std::uint64_t left = text_size_;
  for (std::uint32_t i = 0; i < count_; ++i, record_at += sizeof(FileRecord)) {
    FileRecord record;
    std::memcpy(&record, record_at, sizeof record);
    const std::size_t used = std::size_t{record.name_size} + record.fields_size;
    if (used > left) return false;
    messages.push_back({record.uid,
                        {text_at, record.name_size},
                        {text_at + record.name_size, record.fields_size},
                        record.size,
                        record.virtual_size});
    text_at += used;
    left -= used;
  }
  text = std::move(bytes);
  return true;
}

Result<> Snapshot::write(os::Files& files, const std::string& path, const SnapshotOrigin& origin,
                         std::span<const MaildirMessage> messages) {
  FileHeader header{};
  magic.copy(header.magic, magic.size());
  header.count = static_cast<std::uint32_t>(messages.size());
  header.uid_validity = origin.uid_validity;
  header.next_uid = origin.next_uid;
  header.cur = to_file(origin.cur);
  header.fresh = to_file(origin.fresh);
  header.list = to_file(origin.list);

  constexpr std::size_t longest = std::numeric_limits<std::uint16_t>::max();
  for (const auto& message : messages) {
    if (message.name.size() > longest || message.fields.size() > longest)
      return fail(Trouble::permanent, "a text is too long for a snapshot");
    header.text_size += message.name.size() + message.fields.size();
  }
  std::string bytes(sizeof header, '\0');
  bytes.reserve(sizeof header + messages.size() * sizeof(FileRecord) + header.text_size);
  for (const auto& message : messages) {
    const FileRecord record{message.size, message.virtual_size, message.uid,
                            static_cast<std::uint16_t>(message.name.size()),
                            static_cast<std::uint16_t>(message.fields.size())};
    bytes.append(reinterpret_cast<const char*>(&record), sizeof record);
  }
  for (const auto& message : messages) bytes.append(message.name).append(message.fields);
  if (bytes.size() > size_limit) return fail(Trouble::permanent, "too large for a snapshot");
  header.checksum = checksum_of(header, std::string_view(bytes).substr(sizeof header));
  std::memcpy(bytes.data(), &header, sizeof header);

  const std::string temporary = path + ".new";
  const auto fd = files.open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
  if (!fd) return fail(fd.error());
  auto written = files.write(fd->get(), bytes);
  if (written) written = files.rename(temporary, path);
  if (!written) (void)files.unlink(temporary);
  return written;
}

}  // namespace postrider::mailbox
