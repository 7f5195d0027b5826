// One Maildir (INBOX or a folder) opened by a session of its owner: its messages by UID.
//
// The files are the truth; dovecot-uidlist beside them says which UID each has. Opening and
// refreshing hold the uidlist's dot lock, move new mail to cur/, give UIDs to what has none and clear
// forgotten files out of tmp/. Message data is opened only where a name carries no size. Blocking;
// for session processes. Other programs may change anything at any time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/mailbox/text_arena.h"
#include "lib/mailbox/uidlist.h"
#include "lib/os/files.h"

namespace postrider::mailbox {

struct MaildirPlace {
  std::string directory;  // holds cur, new, tmp; absolute
  std::string control;    // holds dovecot-uidlist and dovecot-keywords; empty: `directory`
  std::string root;       // holds dovecot-uidvalidity and maildirsize; empty: `directory`
  std::string host;       // for lock files and names; empty: gethostname
};

struct MaildirMessage {
  std::uint32_t uid = 0;
  std::string_view name;           // in cur/, flags included; valid until the next refresh or change
  std::string_view fields;         // of the uidlist record, see uid_field()
  std::uint64_t size = 0;          // of the file
  std::uint64_t virtual_size = 0;  // lines ended by CRLF
};

class Maildir {
 public:
  // Makes cur, new and tmp when the directory is missing. temporary: the lock is held elsewhere.
  static Result<Maildir> open(os::Files& files, const Clock& clock, Log& log, MaildirPlace place);

  std::uint32_t uid_validity() const { return uid_validity_; }
  std::uint32_t next_uid() const { return next_uid_; }
  std::span<const MaildirMessage> messages() const { return messages_; }  // by UID, rising

  // Looks for what others changed; true when messages(), names or flags are different now. Views
  // obtained before are invalid then. Cheap when the directories were not touched.
  Result<bool> refresh();

  // A descriptor of the message's file, whatever its flags have become meanwhile. not_found: expunged
  // by another; access: not a regular file.
  Result<os::Fd> open_message(std::uint32_t uid);

  struct FlagChange {
    std::uint32_t uid = 0;
    std::string add;  // flag letters
    std::string remove;
  };
  // Renames, in one hold of the lock. Messages gone meanwhile are skipped.
  Result<> change_flags(std::span<const FlagChange> changes);

  // Removes the messages with these UIDs (sorted) and their room in maildirsize.
  Result<> expunge(std::span<const std::uint32_t> uids);

 private:
  struct Stamp {  // of a directory, to see that nothing happened
    std::uint64_t inode = 0;
    WallTime modified;
    bool operator==(const Stamp&) const = default;
  };
  struct Found;

  Maildir(os::Files& files, const Clock& clock, Log& log, MaildirPlace place)
      : files_(&files), clock_(&clock), log_(&log), place_(std::move(place)) {}

  const MaildirMessage* find(std::uint32_t uid) const;
  Result<> synchronise();

  os::Files* files_;
  const Clock* clock_;
  Log* log_;
  MaildirPlace place_;
  std::uint32_t uid_validity_ = 0;
  std::uint32_t next_uid_ = 1;
  Stamp cur_, new_, list_;
  TextArena text_;
  std::vector<MaildirMessage> messages_;
};

}  // namespace postrider::mailbox
