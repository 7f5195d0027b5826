#include "lib/mailbox/maildir.h"

#include <algorithm>
#include <utility>

#include <fcntl.h>

#include <fmt/core.h>

#include "lib/mailbox/line_ends.h"
#include "lib/mailbox/maildir_delivery.h"
#include "lib/mailbox/maildir_size.h"

namespace postrider::mailbox {

namespace {

// Directory times have the kernel's tick: what changed shortly before it was looked at may have
// changed again within the same tick.
constexpr Seconds settling_time{1};

constexpr Seconds tmp_lifetime{36 * 3600};

// A directory of fewer messages is read as quickly.
constexpr std::size_t worth_a_snapshot = 200;

}  // namespace

Maildir::Maildir(os::Files& files, const Clock& clock, Log& log, MaildirPlace place)
    : files_(&files),
      clock_(&clock),
      log_(&log),
      place_(std::move(place)),
      names_(clock, place_.host.empty() ? "localhost" : place_.host) {
  if (place_.control.empty()) place_.control = place_.directory;
  if (place_.root.empty()) place_.root = quota_root(place_.directory);
}

Result<Maildir> Maildir::open(os::Files& files, const Clock& clock, Log& log, MaildirPlace place) {
  Maildir maildir(files, clock, log, std::move(place));
  const auto status = files.stat(maildir.place_.directory + "/cur");
  if (!status) {
    if (!status.error().is(Trouble::not_found)) return fail(status.error());
    const auto made = create_maildir(files, maildir.place_.directory);
    if (!made) return fail(made.error());
  }
  if (maildir.place_.control != maildir.place_.directory) {
    const auto made = make_directories(files, maildir.place_.control, 0700);
    if (!made) return fail(made.error());
  }
  maildir.clear_tmp();
  if (maildir.adopt_snapshot()) return maildir;
  const auto held = maildir.lock();
  if (!held) return fail(held.error());
  if (const auto done = maildir.synchronise(); !done) return fail(done.error());
  maildir.save_snapshot();
  return maildir;
}

std::string Maildir::path_of(const MaildirMessage& message) const {
  std::string path;
  path.reserve(place_.directory.size() + 5 + message.name.size());
  return path.append(place_.directory).append("/cur/").append(message.name);
}

std::string Maildir::list_path() const { return place_.control + "/dovecot-uidlist"; }

Stamp Maildir::stamp(const std::string& path) const {
  const auto status = files_->stat(path);
  if (!status || clock_->wall() - status->modified < settling_time) return {};
  return {status->inode, status->modified, status->size};
}

bool Maildir::untouched(const std::string& path, const Stamp& since) const {
  if (since.inode == 0) return false;
  const auto status = files_->stat(path);
  return status && Stamp{status->inode, status->modified, status->size} == since;
}

// Without the lock: nothing is changed, and what changes after the stamps were compared would have been
// missed by a reader of the directory as well.
bool Maildir::adopt_snapshot() {
  const auto snapshot = Snapshot::open(*files_, place_.control + "/postrider-snapshot");
  if (!snapshot) return false;
  const auto& origin = snapshot->origin();
  if (!untouched(place_.directory + "/new", origin.fresh) ||
      !untouched(place_.directory + "/cur", origin.cur) || !untouched(list_path(), origin.list))
    return false;
  if (!snapshot->read(messages_, snapshot_text_)) {
    messages_.clear();
    return false;
  }
  uid_validity_ = origin.uid_validity;
  next_uid_ = origin.next_uid;
  cur_stamp_ = origin.cur;
  new_stamp_ = origin.fresh;
  list_stamp_ = origin.list;
  return true;
}

// Unless something was touched so lately that it may be touched again unseen.
void Maildir::save_snapshot() {
  if (messages_.size() < worth_a_snapshot) return;
  if (cur_stamp_.inode == 0 || new_stamp_.inode == 0 || list_stamp_.inode == 0) return;
  const SnapshotOrigin origin{cur_stamp_, new_stamp_, list_stamp_, uid_validity_, next_uid_};
  // Without it the next session reads the directory, as this one did.
  (void)Snapshot::write(*files_, place_.control + "/postrider-snapshot", origin, messages_);
}

Result<DotLock> Maildir::lock() { return DotLock::acquire(*files_, *clock_, list_path()); }

MaildirMessage* Maildir::find(std::uint32_t uid) {
  const auto at = std::lower_bound(
      messages_.begin(), messages_.end(), uid,
      [](const MaildirMessage& message, std::uint32_t value) { return message.uid < value; });
  return at != messages_.end() && at->uid == uid ? &*at : nullptr;
}

Result<bool> Maildir::refresh() {
  if (untouched(place_.directory + "/new", new_stamp_) && untouched(place_.directory + "/cur", cur_stamp_) &&
      untouched(list_path(), list_stamp_)) {
    return false;
  }
  if (const auto done = lock_and_synchronise(); !done) return fail(done.error());
  return true;
}

Result<StoredMessage> Maildir::open_message(std::uint32_t uid) {
  for (int attempt = 0;; ++attempt) {
    const auto* message = find(uid);
    if (message == nullptr) return fail(Trouble::not_found, fmt::format("UID {} was expunged", uid));
    // Whatever lies there may not make us wait (a FIFO) or read elsewhere (a link).
    auto fd = files_->open(path_of(*message), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (fd) {
      const auto status = files_->fstat(fd->get());
      if (!status) return fail(status.error());
      if (status->kind != os::FileStatus::Kind::regular) {
        return fail(Trouble::access, path_of(*message) + ": not a regular file");
      }
      return StoredMessage{{}, std::move(*fd), 0, status->size};
    }
    if (!fd.error().is(Trouble::not_found) || attempt >= 2) return fail(fd.error());
    // Another session changed its flags or removed it.
    if (const auto done = lock_and_synchronise(); !done) return fail(done.error());
  }
}

Result<> Maildir::change_flags(std::span<const FlagChange> changes) {
  const auto held = lock();
  if (!held) return fail(held.error());
  for (int attempt = 0;; ++attempt) {
    bool moved = false;
    for (const auto& change : changes) {
      auto* message = find(change.uid);
      if (message == nullptr) continue;
      const std::string name = with_flags(message->name, change.add, change.remove);
      if (name == message->name) continue;
      const auto renamed =
          files_->rename(path_of(*message), fmt::format("{}/cur/{}", place_.directory, name));
      if (renamed) {
        message->name = text_.keep(name);
      } else if (renamed.error().is(Trouble::not_found)) {
        moved = true;  // by a program that takes no locks
      } else {
        return renamed;
      }
    }
    if (!moved || attempt != 0) return {};
    if (const auto done = synchronise(); !done) return done;
  }
}

Result<> Maildir::expunge(std::span<const std::uint32_t> uids) {
  const auto held = lock();
  if (!held) return fail(held.error());
  std::int64_t bytes = 0, count = 0;
  Result<> result;
  for (int attempt = 0;; ++attempt) {
    bool moved = false;
    std::vector<std::uint32_t> gone;
    for (const auto uid : uids) {
      const auto* message = find(uid);
      if (message == nullptr) continue;
      const auto removed = files_->unlink(path_of(*message));
      if (removed) {
        bytes += static_cast<std::int64_t>(message->size == unknown_size ? 0 : message->size);
        ++count;
        gone.push_back(uid);
      } else if (removed.error().is(Trouble::not_found)) {
        moved = true;
      } else {
        result = removed;
      }
    }
    std::erase_if(messages_, [&](const MaildirMessage& message) {
      return std::binary_search(gone.begin(), gone.end(), message.uid);
    });
    if (!moved || attempt != 0) break;
    if (const auto done = synchronise(); !done) {
      result = done;
      break;
    }
  }
  if (count != 0) (void)note_quota(*files_, place_.root, -bytes, -count);
  return result;
}

Result<> Maildir::measure() {
  std::vector<std::uint32_t> measured;
  for (auto& message : messages_) {
    if (message.virtual_size != unknown_size) continue;
    const auto fd = files_->open(path_of(message), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!fd) continue;
    const auto sizes = measure_file(*files_, fd->get());
    if (!sizes) continue;
    message.size = sizes->size;
    message.virtual_size = sizes->virtual_size;
    measured.push_back(message.uid);
  }
  if (measured.empty()) return {};

  const auto held = lock();
  if (!held) return fail(held.error());
  auto list = load_list();
  if (!list) return fail(list.error());
  list_ = std::move(*list);
  uid_validity_ = list_->uid_validity();
  next_uid_ = list_->next_uid();
  for (std::size_t i = 0; i < list_->records().size(); ++i) {
    const auto& record = list_->records()[i];
    if (!std::binary_search(measured.begin(), measured.end(), record.uid)) continue;
    const auto* message = find(record.uid);
    if (message == nullptr || parse_maildir_name(message->name).base != record.base) continue;
    const auto with_size = with_uid_field(record.fields, 'S', std::to_string(message->size));
    list_->set_fields(i, with_uid_field(with_size, 'W', std::to_string(message->virtual_size)));
  }
  // The list was read again: views into the former one are gone.
  for (auto& message : messages_) message.fields = {};
  for (const auto& record : list_->records()) {
    if (auto* message = find(record.uid)) message->fields = record.fields;
  }
  return save_list(list_->records().size(), true);
}

// A writer that died leaves its file in tmp/. The modification time may be a message's own date, so
// only the inode's counts.
void Maildir::clear_tmp() {
  std::vector<std::string> old;
  (void)files_->list(place_.directory + "/tmp", [&](std::string_view name) {
    if (name.starts_with('.')) return true;
    std::string path = fmt::format("{}/tmp/{}", place_.directory, name);
    const auto status = files_->lstat(path);
    if (status && clock_->wall() - status->changed > tmp_lifetime) old.push_back(std::move(path));
    return true;
  });
  for (const auto& path : old) (void)files_->unlink(path);
}

}  // namespace postrider::mailbox
