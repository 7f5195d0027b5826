#include "lib/mailbox/mbox_maildrop.h"

#include <algorithm>

#include <fcntl.h>

#include <fmt/core.h>

#include "lib/mailbox/mbox_file.h"
#include "lib/mailbox/mbox_lock.h"
#include "lib/mailbox/pop3_uidl.h"

namespace postrider::mailbox {

namespace {

constexpr std::size_t block_size = 64 * 1024;

// How the session waits for others: a client waits with it.
MboxOptions lock_options(std::vector<MboxLock> locks) {
  MboxOptions options;
  options.locks = std::move(locks);
  options.lock_attempts = 20;
  options.lock_delay = Milliseconds{250};
  options.dotlock_may_fail = true;
  return options;
}

// Moves what is kept to the front of the file. Every byte is read before its place is written.
class Compactor {
 public:
  Compactor(os::Files& files, int fd, std::uint64_t from) : files_(files), fd_(fd), to_(from) {}

  Result<> keep(std::uint64_t from, std::uint64_t until) {
    if (from == to_) {
      to_ = until;
      return {};
    }
    std::string block(block_size, '\0');
    while (from < until) {
      const auto want = std::min<std::uint64_t>(block.size(), until - from);
      const auto got = files_.pread(fd_, std::span(block).first(want), from);
      if (!got) return fail(got.error());
      if (*got == 0) return fail(Trouble::temporary, "the mailbox became shorter");
      if (const auto put = files_.pwrite(fd_, {block.data(), *got}, to_); !put) return put;
      from += *got;
      to_ += *got;
    }
    return {};
  }
  // Text that was elsewhere; only where what follows has not been overtaken.
  Result<> insert(std::string_view text, std::uint64_t before) {
    if (to_ + text.size() > before) return {};
    const auto put = files_.pwrite(fd_, text, to_);
    to_ += text.size();
    return put;
  }
  Result<> finish() {
    if (const auto cut = files_.truncate(fd_, to_); !cut) return cut;
    return files_.fsync(fd_);
  }

 private:
  os::Files& files_;
  int fd_;
  std::uint64_t to_;
};

class MboxMaildrop final : public Pop3Maildrop {
 public:
  MboxMaildrop(os::Files& files, const Clock& clock, std::string path, os::Fd fd)
      : files_(files), clock_(clock), path_(std::move(path)), fd_(std::move(fd)) {}

  Result<> load(const Pop3Options& options);

  std::size_t count() const override { return messages_.size(); }
  std::uint64_t octets(std::size_t index) const override { return messages_[index].octets; }
  std::uint64_t total_octets() const override { return total_; }
  std::string uidl(std::size_t index) const override { return uidls_[index]; }
  bool seen(std::size_t index) const override { return messages_[index].seen; }
  Result<StoredMessage> read(std::size_t index) override;
  Result<> update(const Pop3Changes& changes) override;

 private:
  // Kernel locks belong to an open file: this one is closed when the lock is to end.
  struct Held {
    os::Fd fd;
    MboxLocks locks;
  };
  Result<Held> lock(bool exclusive, std::vector<MboxLock> methods) const;

  os::Files& files_;
  const Clock& clock_;
  std::string path_;
  os::Fd fd_;  // empty: there is no file
  std::vector<MboxMessage> messages_;
  std::vector<std::string> uidls_;
  std::uint64_t total_ = 0;
};

Result<MboxMaildrop::Held> MboxMaildrop::lock(bool exclusive, std::vector<MboxLock> methods) const {
  auto fd = files_.open(path_, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) return fail(fd.error());
  const auto mine = files_.fstat(fd_.get()), named = files_.fstat(fd->get());
  if (!mine || !named) return fail(mine ? named.error() : mine.error());
  if (mine->inode != named->inode || mine->device != named->device) {
    return fail(Trouble::temporary, path_ + ": replaced by another program");
  }
  auto locks =
      MboxLocks::acquire(files_, clock_, path_, fd->get(), exclusive, lock_options(std::move(methods)));
  if (!locks) return fail(locks.error());
  return Held{std::move(*fd), std::move(*locks)};
}

Result<> MboxMaildrop::load(const Pop3Options& options) {
  if (!fd_) return {};
  const auto held = lock(false, {MboxLock::fcntl});
  if (!held) return fail(held.error());
  auto scan = scan_mbox(files_, fd_.get());
  if (!scan) return fail(scan.error().within(path_));
  for (auto& message : scan->messages) {
    if (message.internal) continue;
    UidlSource source{
        .uid = message.uid, .uid_validity = scan->uid_validity, .guid = message.md5, .md5 = message.md5};
    auto uidl = make_uidl(message.uid != 0 ? options.uidl_format : "%m", source);
    if (!uidl) return fail(uidl.error());
    uidls_.push_back(std::move(*uidl));
    total_ += message.octets;
    messages_.push_back(std::move(message));
  }
  rename_duplicates(uidls_);
  return {};
}

Result<StoredMessage> MboxMaildrop::read(std::size_t index) {
  const auto& message = messages_[index];
  std::string header(message.body - message.begin, '\0');
  std::size_t filled = 0;
  while (filled < header.size()) {
    const auto got = files_.pread(fd_.get(), std::span(header).subspan(filled), message.begin + filled);
    if (!got) return fail(got.error());
    if (*got == 0) break;
    filled += *got;
  }
  if (filled < header.size() || !header.starts_with("From ")) {
    return fail(Trouble::not_found, "the mailbox was changed by another program");
  }
  header.erase(0, message.header - message.begin);
  StoredMessage stored;
  stored.head = visible_header(header);
  // The blank line is part of what was read, unless the file ends in the header.
  const std::string_view head = stored.head;
  if (head != "\n" && !head.ends_with("\n\n") && head != "\r\n" && !head.ends_with("\n\r\n"))
    stored.head += '\n';
  stored.fd = fd_.duplicate();
  if (!stored.fd) return fail(Trouble::temporary, "no descriptor left");
  stored.offset = message.body;
  stored.length = message.end - message.body;
  return stored;
}

Result<> MboxMaildrop::update(const Pop3Changes& changes) {
  if (changes.deleted.empty()) return {};
  const auto held = lock(true, {MboxLock::fcntl, MboxLock::dotlock});
  if (!held) return fail(held.error());
  // What others did meanwhile: new mail is kept; messages may have moved up.
  const auto scan = scan_mbox(files_, fd_.get());
  if (!scan) return fail(scan.error().within(path_));
  const auto& now = scan->messages;
  std::vector<bool> gone(now.size());
  std::size_t from = 0;
  for (const auto index : changes.deleted) {
    const auto& wanted = messages_[index];
    const auto found =
        std::find_if(now.begin() + static_cast<std::ptrdiff_t>(from), now.end(), [&](const auto& message) {
          return message.md5 == wanted.md5 && message.uid == wanted.uid && message.octets == wanted.octets &&
                 message.begin <= wanted.begin;
        });
    if (found == now.end()) continue;
    from = static_cast<std::size_t>(found - now.begin());
    gone[from++] = true;
  }
  const auto first = std::find(gone.begin(), gone.end(), true);
  if (first == gone.end()) return {};
  const auto start = static_cast<std::size_t>(first - gone.begin());
  Compactor compactor(files_, fd_.get(), now[start].begin);
  // UIDVALIDITY lives in the first message, whichever that is.
  bool carry_base = start == 0 && !scan->base_line.empty();
  for (std::size_t i = start; i < now.size(); ++i) {
    if (gone[i]) continue;
    Result<> kept;
    if (carry_base) {
      kept = compactor.keep(now[i].begin, now[i].header);
      if (kept) kept = compactor.insert(scan->base_line, now[i].header);
      if (kept) kept = compactor.keep(now[i].header, now[i].next);
      carry_base = false;
    } else {
      kept = compactor.keep(now[i].begin, now[i].next);
    }
    if (!kept) return kept;
  }
  return compactor.finish();
}

}  // namespace

Result<std::unique_ptr<Pop3Maildrop>> open_mbox_maildrop(os::Files& files, const Clock& clock,
                                                         const MailLocation& location,
                                                         const Pop3Options& options) {
  auto fd = files.open(location.inbox, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  if (!fd && !fd.error().is(Trouble::not_found)) return fail(fd.error());
  if (fd) {
    const auto status = files.fstat(fd->get());
    if (!status) return fail(status.error());
    if (status->kind != os::FileStatus::Kind::regular)
      return fail(Trouble::access, location.inbox + ": not a regular file");
    if (options.lock_session) {
      const auto taken = files.try_lock(fd->get(), true);
      if (!taken) return fail(taken.error());
      if (!*taken) return fail(Trouble::temporary, location.inbox + ": in use by another session");
    }
  }
  auto maildrop =
      std::make_unique<MboxMaildrop>(files, clock, location.inbox, fd ? std::move(*fd) : os::Fd());
  if (const auto loaded = maildrop->load(options); !loaded) return fail(loaded.error());
  return maildrop;
}

}  // namespace postrider::mailbox
