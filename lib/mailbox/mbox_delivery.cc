#include "lib/mailbox/mbox_delivery.h"

#include <algorithm>

#include <fcntl.h>

#include <fmt/core.h>

#include "lib/mailbox/mbox_lock.h"
#include "lib/message/mbox.h"

namespace postrider::mailbox {

namespace {

constexpr std::size_t block_size = 64 * 1024;

// Opens what is there, or makes it; never follows a link, never waits for a FIFO.
Result<os::Fd> open_mbox(os::Files& files, const std::string& path) {
  const int flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK;
  for (int attempt = 0;; ++attempt) {
    auto fd = files.open(path, flags);
    if (fd || !fd.error().is(Trouble::not_found)) return fd;
    fd = files.open(path, flags | O_CREAT | O_EXCL, 0600);
    if (fd || fd.error().os_error() != EEXIST || attempt >= 3) return fd;
  }
}

Result<os::FileStatus> check_mbox(os::Files& files, int fd, const std::string& path,
                                  const MboxOptions& options) {
  const auto refuse = [&](std::string_view why) {
    return fail(Trouble::access, fmt::format("cannot deliver to {}: {}", path, why));
  };
  const auto status = files.fstat(fd);
  if (!status) return status;
  if (status->kind != os::FileStatus::Kind::regular) return refuse("not a regular file");
  if (status->links != 1) return refuse(fmt::format("file has {} hard links", status->links));
  if (options.owner && status->uid != *options.owner) return refuse("destination is not owned by recipient");
  // Another program may have renamed or removed what we opened while we waited for its lock.
  const auto named = files.lstat(path);
  if (!named) return named;
  if (named->inode != status->inode || named->device != status->device) {
    return fail(Trouble::temporary, path + ": replaced while it was opened");
  }
  return status;
}

// What must precede the separator: every reader wants it at the start of a line after a blank one.
Result<std::string> missing_blank_line(os::Files& files, int fd, std::uint64_t size) {
  if (size == 0) return std::string();
  char last[2] = {'\n', '\n'};
  const std::size_t count = std::min<std::uint64_t>(size, 2);
  const auto got = files.pread(fd, std::span(last).last(count), size - count);
  if (!got) return fail(got.error());
  if (last[1] != '\n') return std::string("\n\n");
  return std::string(last[0] == '\n' ? "" : "\n");
}

// Quotes and writes block by block.
class Appender {
 public:
  Appender(os::Files& files, int fd, std::uint64_t room) : files_(files), fd_(fd), room_(room) {}

  Result<> raw(std::string_view text) {
    pending_ += text;
    return pending_.size() >= block_size ? flush() : Result<>{};
  }
  Result<> quoted(std::string_view text) {
    quoter_.feed(text, pending_);
    return pending_.size() >= block_size ? flush() : Result<>{};
  }
  Result<> finish() {
    quoter_.finish(pending_);
    return flush();
  }

 private:
  Result<> flush() {
    if (pending_.size() > room_) {
      return fail(Trouble::permanent, "mailbox size limit exceeded", EFBIG);
    }
    room_ -= pending_.size();
    auto written = files_.write(fd_, pending_);
    pending_.clear();
    return written;
  }

  os::Files& files_;
  int fd_;
  std::uint64_t room_;
  std::string pending_;
  message::MboxQuoter quoter_;
};

Result<> append(os::Files& files, Appender& to, std::string_view separator, const Content& content) {
  if (const auto written = to.raw(separator); !written) return written;
  if (const auto written = to.quoted(content.head); !written) return written;
  if (content.fd < 0) {
    if (const auto written = to.quoted(content.bytes); !written) return written;
    return to.finish();
  }
  std::string block(std::clamp<std::uint64_t>(content.length, 1, block_size), '\0');
  for (std::uint64_t done = 0; done < content.length;) {
    const auto want = std::min<std::uint64_t>(block.size(), content.length - done);
    const auto got = files.pread(content.fd, std::span(block).first(want), content.offset + done);
    if (!got) return fail(got.error());
    if (*got == 0) return fail(Trouble::temporary, "the message is shorter than it was announced");
    done += *got;
    if (const auto written = to.quoted({block.data(), *got}); !written) return written;
  }
  return to.finish();
}

}  // namespace

Result<> deliver_to_mbox(os::Files& files, const Clock& clock, const std::string& path,
                         std::string_view separator, const Content& content, const MboxOptions& options) {
  if (path == "/dev/null") return {};
  const auto fd = open_mbox(files, path);
  if (!fd) return fail(fd.error());
  // Before any waiting: a planted file is refused at once.
  if (const auto fit = check_mbox(files, fd->get(), path, options); !fit) return fail(fit.error());
  const auto locks = MboxLocks::acquire(files, clock, path, fd->get(), true, options);
  if (!locks) return fail(locks.error());
  const auto status = check_mbox(files, fd->get(), path, options);
  if (!status) return fail(status.error());
  const auto gap = missing_blank_line(files, fd->get(), status->size);
  if (!gap) return fail(gap.error());

  std::uint64_t room = static_cast<std::uint64_t>(-1);
  if (options.size_limit != 0)
    room = options.size_limit > status->size ? options.size_limit - status->size : 0;
  Appender appender(files, fd->get(), room);
  auto done = appender.raw(*gap);
  if (done) done = append(files, appender, separator, content);
  if (done) done = files.fsync(fd->get());
  if (!done) {
    (void)files.truncate(fd->get(), status->size);
    (void)files.fsync(fd->get());
    return done;
  }
  if (status->size == 0) {
    // Perhaps it was just made; its name must last too. Where the directory may not be opened, the
    // file system's own order has to do.
    const auto slash = path.rfind('/');
    const auto synced = files.sync_directory(slash == 0 ? "/" : path.substr(0, slash));
    if (!synced && !synced.error().is(Trouble::access)) {
      (void)files.truncate(fd->get(), status->size);
      return synced;
    }
  }
  return {};
}

}  // namespace postrider::mailbox
