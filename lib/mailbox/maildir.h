// One Maildir (INBOX or a folder) opened by a session of its owner: its messages by UID.
//
// The files are the truth; dovecot-uidlist beside them says which UID each has. Opening and
// refreshing hold the uidlist's dot lock, move new mail to cur/, give UIDs to what has none and clear
// forgotten files out of tmp/. Message data is opened only where a name carries no size. Blocking;
// for session processes. Other programs may change anything at any time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/mailbox/content.h"
#include "lib/mailbox/dot_lock.h"
#include "lib/mailbox/maildir_message.h"
#include "lib/mailbox/maildir_name.h"
#include "lib/mailbox/snapshot.h"
#include "lib/mailbox/text_arena.h"
#include "lib/mailbox/uidlist.h"
#include "lib/os/files.h"

namespace postrider::mailbox {

struct MaildirPlace {
  std::string directory;  // holds cur, new, tmp; absolute
  std::string control;    // holds dovecot-uidlist and dovecot-keywords; empty: `directory`
  std::string root;       // holds dovecot-uidvalidity and maildirsize; empty: `directory`
  std::string host;       // for new names; empty: "localhost"
};

// Views in messages are valid until the next call that changes something or looks for changes.
class Maildir {
 public:
  // Makes cur, new and tmp when the directory is missing. temporary: the lock is held elsewhere.
  // References must outlive the object.
  static Result<Maildir> open(os::Files& files, const Clock& clock, Log& log, MaildirPlace place);

  std::uint32_t uid_validity() const { return uid_validity_; }
  std::uint32_t next_uid() const { return next_uid_; }
  std::span<const MaildirMessage> messages() const { return messages_; }  // by UID, rising

  // Looks for what others changed; true when it had to read the directories again. Cheap when they were
  // not touched.
  Result<bool> refresh();

  // Finds the virtual sizes that neither names nor the uidlist tell by reading those files, and notes
  // them in the uidlist so that nobody reads them again. Messages that vanish meanwhile stay unknown.
  Result<> measure();

  // The message's file, whatever its flags have become meanwhile. not_found: expunged by another;
  // access: not a regular file.
  Result<StoredMessage> open_message(std::uint32_t uid);

  struct FlagChange {
    std::uint32_t uid = 0;
    std::string_view add;  // flag letters
    std::string_view remove;
  };
  // Renames, in one hold of the lock. Messages gone meanwhile are skipped.
  Result<> change_flags(std::span<const FlagChange> changes);

  // Removes the messages with these UIDs (sorted) and their share of maildirsize. On error some may
  // be gone and some not; messages() tells.
  Result<> expunge(std::span<const std::uint32_t> uids);

 private:
  struct Found;

  Maildir(os::Files& files, const Clock& clock, Log& log, MaildirPlace place);

  std::string path_of(const MaildirMessage& message) const;
  std::string list_path() const;
  Stamp stamp(const std::string& path) const;
  bool untouched(const std::string& path, const Stamp& since) const;
  Result<DotLock> lock();
  MaildirMessage* find(std::uint32_t uid);

  bool adopt_snapshot();
  void save_snapshot();
  Result<> lock_and_synchronise();
  Result<> synchronise();  // under the lock
  Result<Uidlist> load_list();
  Result<> move_new_mail();
  Result<std::vector<Found>> scan(TextArena& text);
  Result<std::size_t> match(const std::vector<Found>& found, TextArena& text);
  Result<std::optional<std::uint64_t>> size_of(const Found& file, std::string_view fields) const;
  void add_message(const Found& file, const UidRecord& record, std::uint64_t size);
  std::optional<Found> separate_twins(const Found& twin, const Found& first, TextArena& text);
  void drop_dead_records();
  Result<> save_list(std::size_t known, bool rewrite);
  void clear_tmp();

  os::Files* files_;
  const Clock* clock_;
  Log* log_;
  MaildirPlace place_;
  UniqueNames names_;
  std::optional<Uidlist> list_;  // absent while a snapshot serves
  std::uint32_t uid_validity_ = 0, next_uid_ = 0;
  Stamp cur_stamp_, new_stamp_, list_stamp_;
  TextArena text_;
  std::unique_ptr<char[]> snapshot_text_;
  std::vector<MaildirMessage> messages_;
};

}  // namespace postrider::mailbox
