// postrider-snapshot, beside dovecot-uidlist: what a large Maildir held when it was last read whole. Whoever
// finds cur/, new/ and the uidlist untouched since reads this one file instead of them.
//
//   header   "PRSNAP1\n", checksum, counts, and the stamps of what it was made from   (struct FileHeader)
//   records  one for each message, by UID                                            (struct FileRecord)
//   texts    each message's name and uidlist fields, one after the other
//
// Derived from the other files: it may be deleted at any time, and is written without waiting for the disk;
// one that is torn or damaged has a wrong checksum and counts as absent. Integers have the byte order of the
// machine, to another one it looks damaged. Written and read by the mailbox's owner.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/mailbox/maildir_message.h"
#include "lib/os/files.h"

namespace postrider::mailbox {

// Of a directory or file, to see that nothing happened to it.
struct Stamp {
  std::uint64_t inode = 0;  // 0: never equal to what is found
  WallTime modified;
  std::uint64_t size = 0;

  bool operator==(const Stamp&) const = default;
};

// What a snapshot was made from.
struct SnapshotOrigin {
  Stamp cur, fresh, list;  // cur/, new/, dovecot-uidlist
  std::uint32_t uid_validity = 0;
  std::uint32_t next_uid = 0;
};

class Snapshot {
 public:
  // Reads the header only. nullopt: there is none, or it is of another kind.
  static std::optional<Snapshot> open(os::Files& files, const std::string& path);

  const SnapshotOrigin& origin() const { return origin_; }

  // Reads the rest and adds the messages, whose views are valid as long as `text`. False: it is damaged.
  bool read(std::vector<MaildirMessage>& messages, std::unique_ptr<char[]>& text) const;

  // Puts a new one in place of the old. To be called under the uidlist's lock.
  static Result<> write(os::Files& files, const std::string& path, const SnapshotOrigin& origin,
                        std::span<const MaildirMessage> messages);

 private:
  Snapshot(os::Files& files, os::Fd fd) : files_(&files), fd_(std::move(fd)) {}

  os::Files* files_;
  os::Fd fd_;
  SnapshotOrigin origin_;
  std::uint32_t checksum_ = 0;
  std::uint32_t count_ = 0;
  std::uint64_t text_size_ = 0;
};

}  // namespace postrider::mailbox
