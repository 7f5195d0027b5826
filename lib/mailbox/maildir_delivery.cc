#include "lib/mailbox/maildir_delivery.h"

#include <algorithm>
#include <map>
#include <optional>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/core.h>

#include "lib/mailbox/line_ends.h"
#include "lib/mailbox/maildir_size.h"
#include "lib/mailbox/workers.h"

namespace postrider::mailbox {

namespace {

constexpr std::size_t copy_block = 128 * 1024;
constexpr std::size_t most_settled = 4096;
constexpr int most_levels = 16;
// Every file system has made a new name durable by itself after this long.
constexpr Seconds long_since{600};

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

// Makes the directory and what is missing above it, each durable in its parent. An existing one is
// left as it is.
Result<> make_durable_directory(os::Files& files, const std::string& path) {
  auto made = files.mkdir(path, 0700);
  if (!made && made.error().is(Trouble::not_found) && path.size() > 1) {
    if (const auto above = make_durable_directory(files, parent_of(path)); !above) return above;
    made = files.mkdir(path, 0700);
  }
  if (made) return files.sync_directory(parent_of(path));
  if (made.error().os_error() != EEXIST) return made;
  return {};
}

Result<> write_counted(os::Files& files, int fd, std::string_view block, LineEnds& ends) {
  ends.count(block);
  return files.write(fd, block);
}

// Copies head and content to `fd`; a small message goes out in one write.
Result<> copy_content(os::Files& files, int fd, const Content& content, LineEnds& ends) {
  if (content.fd < 0) {
    std::string joined;
    if (content.head.size() + content.bytes.size() <= copy_block) {
      joined.reserve(content.head.size() + content.bytes.size());
      joined.append(content.head).append(content.bytes);
      return write_counted(files, fd, joined, ends);
    }
    if (const auto written = write_counted(files, fd, content.head, ends); !written) return written;
    return write_counted(files, fd, content.bytes, ends);
  }

  std::string block(std::min<std::uint64_t>(copy_block, content.head.size() + content.length), '\0');
  if (content.head.size() > block.size())
    return fail(Trouble::permanent, "header of the delivery is too long");
  std::copy(content.head.begin(), content.head.end(), block.begin());
  std::size_t filled = content.head.size();
  for (std::uint64_t done = 0; done < content.length || filled != 0;) {
    while (filled < block.size() && done < content.length) {
      const auto room = std::min<std::uint64_t>(block.size() - filled, content.length - done);
      const auto got = files.pread(content.fd, std::span(block).subspan(filled, room), content.offset + done);
      if (!got) return fail(got.error());
      if (*got == 0) return fail(Trouble::temporary, "the message is shorter than it was announced");
      filled += *got;
      done += *got;
    }
    if (const auto written = write_counted(files, fd, {block.data(), filled}, ends); !written) return written;
    filled = 0;
  }
  return {};
}

std::uint64_t size_of(const Content& content) {
  return content.head.size() + (content.fd < 0 ? content.bytes.size() : content.length);
}

}  // namespace

Result<> create_maildir(os::Files& files, const std::string& directory) {
  for (const char* part : {"/tmp", "/cur", "/new"}) {
    if (const auto made = make_durable_directory(files, directory + part); !made) return made;
  }
  if (quota_root(directory) == directory) return {};
  const auto marker = files.open(directory + "/maildirfolder", O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
  if (!marker) return fail(marker.error());
  return {};
}

struct MaildirDelivery::Work {
  const std::string* directory = nullptr;
  std::string base;  // without sizes, the name in tmp/
  std::string name;  // the name in new/
  std::uint64_t size = 0;
  std::optional<Error> error;
  os::Fd file;             // in tmp/, written and not yet durable
  bool temporary = false;  // there is a durable file in tmp/
  bool counted = false;    // its tree has a maildirsize
};

MaildirDelivery::MaildirDelivery(os::Files& files, const Clock& clock, std::string_view host,
                                 unsigned sync_threads)
    : files_(files), clock_(clock), names_(clock, host), sync_threads_(sync_threads) {}

MaildirDelivery::~MaildirDelivery() = default;

Result<Delivered> MaildirDelivery::deliver(const Delivery& one) {
  return std::move(deliver_batch({&one, 1}).front());
}

std::vector<Result<Delivered>> MaildirDelivery::deliver_batch(std::span<const Delivery> batch) {
  std::vector<Work> work(batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    work[i].directory = &batch[i].directory;
    work[i].base = names_.next();
    work[i].size = size_of(batch[i].content);
    if (batch[i].size_limit != 0 && work[i].size > batch[i].size_limit) {
      work[i].error = Error(Trouble::permanent, "message size exceeds the mailbox size limit");
    }
  }
  check_quotas(batch, work);

  // Threads that make files in one directory only wait for each other; those that wait for the disk share its
  // answers.
  for (std::size_t i = 0; i < batch.size(); ++i) write_temporary(batch[i], work[i]);
  if (batch.size() > 1 && sync_threads_ > 0) {
    // The caller's thread is one of those that wait.
    if (!workers_) workers_ = std::make_unique<Workers>(sync_threads_ - 1);
    workers_->run(batch.size(), [&](std::size_t i) { sync_temporary(work[i]); });
  } else {
    for (auto& one : work) sync_temporary(one);
  }
  put_in_place(work);
  sync_directories(work);

  std::vector<Result<Delivered>> results;
  results.reserve(work.size());
  for (auto& one : work) {
    if (one.error) {
      results.emplace_back(std::unexpected(std::move(*one.error)));
    } else {
      results.emplace_back(Delivered{std::move(one.name), one.size});
    }
  }
  return results;
}

// A tree without maildirsize costs one failed open per batch.
void MaildirDelivery::check_quotas(std::span<const Delivery> batch, std::span<Work> work) {
  struct Need {
    std::uint64_t bytes = 0, count = 0;
    std::optional<MaildirSize> quota;
  };
  std::map<std::string, Need> needs;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (work[i].error) continue;
    auto [need, added] = needs.try_emplace(quota_root(batch[i].directory));
    need->second.bytes += work[i].size;
    ++need->second.count;
  }
  for (auto& [root, need] : needs) {
    if (auto quota = check_quota(files_, clock_, root, need.bytes, need.count)) need.quota = *quota;
    need.bytes = need.count = 0;
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (work[i].error) continue;
    auto& need = needs[quota_root(batch[i].directory)];
    if (!need.quota) continue;
    work[i].counted = true;
    if (need.quota->has_room(need.bytes + work[i].size, need.count + 1)) {
      need.bytes += work[i].size;
      ++need.count;
    } else {
      work[i].error = Error(Trouble::no_space, "mailbox is full: quota exceeded", EDQUOT);
    }
  }
}

void MaildirDelivery::write_temporary(const Delivery& delivery, Work& work) {
  if (work.error) return;
  const std::string path = fmt::format("{}/tmp/{}", delivery.directory, work.base);
  const auto flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  auto fd = files_.open(path, flags, 0600);
  if (!fd && fd.error().is(Trouble::not_found)) {
    if (const auto made = create_maildir(files_, delivery.directory); !made) {
      work.error = made.error().within("create maildir");
      return;
    }
    fd = files_.open(path, flags, 0600);
  }
  if (!fd) {
    work.error = fd.error();
    return;
  }
  LineEnds ends;
  const auto written = copy_content(files_, fd->get(), delivery.content, ends);
  if (!written) {
    work.error = written.error().within("maildir delivery");
    (void)files_.unlink(path);
    return;
  }
  work.file = std::move(*fd);
  work.name = fmt::format("{},S={},W={}", work.base, work.size, work.size + ends.bare());
}

// Runs on any thread; touches nothing but `work` and the file system.
void MaildirDelivery::sync_temporary(Work& work) {
  if (!work.file) return;
  const auto synced = files_.fsync(work.file.get());
  work.file.reset();
  work.temporary = synced.has_value();
  if (synced) return;
  work.error = synced.error().within("maildir delivery");
  (void)files_.unlink(fmt::format("{}/tmp/{}", *work.directory, work.base));
}

// In the order given, so that names and directory agree about what came first.
void MaildirDelivery::put_in_place(std::span<Work> work) {
  for (auto& one : work) {
    if (!one.temporary) continue;
    const auto settled = settle_names(*one.directory);
    const std::string from = fmt::format("{}/tmp/{}", *one.directory, one.base);
    const std::string to = fmt::format("{}/new/{}", *one.directory, one.name);
    auto renamed = settled ? files_.rename(from, to) : settled;
    if (!renamed && renamed.error().is(Trouble::not_found)) {
      // new/ may be missing from a Maildir made by hand.
      if (const auto made = create_maildir(files_, *one.directory); made) renamed = files_.rename(from, to);
    }
    if (renamed) continue;
    one.error = renamed.error();
    (void)files_.unlink(from);
  }
}

void MaildirDelivery::sync_directories(std::span<Work> work) {
  struct Change {
    std::optional<Error> error;
    bool synced = false;
  };
  std::map<std::string_view, Change> directories;
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> stored;
  for (auto& one : work) {
    if (one.error) continue;
    auto& change = directories[*one.directory];
    if (!change.synced) {
      change.synced = true;
      const auto done = files_.sync_directory(*one.directory + "/new");
      if (!done) change.error = Error(Trouble::temporary, done.error().text(), done.error().os_error());
    }
    if (change.error) {
      one.error = change.error;
      continue;
    }
    if (!one.counted) continue;
    auto& [bytes, count] = stored[quota_root(*one.directory)];
    bytes += static_cast<std::int64_t>(one.size);
    ++count;
  }
  // A note that is lost makes the quota generous until the next count, never the mail.
  for (const auto& [root, sums] : stored) (void)note_quota(files_, root, sums.first, sums.second);
}

// Makes the names of the Maildir and of what is above it durable when they are new: whoever made them may
// have been killed before he did so, or may not have come to it yet. Once for each Maildir and process.
Result<> MaildirDelivery::settle_names(const std::string& directory) {
  if (settled_.contains(directory)) return {};
  const auto self = ::geteuid();
  std::string path = directory + "/new";
  for (int level = 0; level < most_levels && path.size() > 1; ++level) {
    // We made only what belongs to us.
    const auto status = files_.stat(path);
    if (!status || status->uid != self) break;
    path = parent_of(path);
    const auto above = files_.stat(path);
    if (!above) break;
    if (clock_.wall() - above->modified > long_since) continue;
    const auto synced = files_.sync_directory(path);
    if (!synced && synced.error().is(Trouble::access)) break;
    if (!synced) return synced;
  }
  if (settled_.size() >= most_settled) settled_.clear();
  settled_.insert(directory);
  return {};
}

}  // namespace postrider::mailbox
