// Jobs that store mail and read the files which say where mail goes.

#include <algorithm>

#include <fcntl.h>

#include <fmt/core.h>

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/mailbox/mbox_delivery.h"
#include "lib/message/header.h"
#include "lib/table/alias_text.h"
#include "local/worker_jobs.h"

namespace postrider::local {

namespace {

// Delivered-To: fields stand at the top; a message whose header is longer than this is searched no
// further.
constexpr std::size_t header_limit = 1 << 20;
constexpr std::size_t small_message = 64 * 1024;  // read whole, once
constexpr std::size_t forward_limit = 1 << 20;
constexpr std::size_t include_limit = 16 << 20;

Result<std::string> read_start(os::Files& files, const Mail& mail, std::uint64_t most) {
  std::string bytes(std::min<std::uint64_t>(mail.length, most), '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const auto got = files.pread(mail.content.get(), std::span(bytes).subspan(filled), mail.offset + filled);
    if (!got) return fail(got.error());
    if (*got == 0) return fail(Trouble::temporary, "the message is shorter than it was announced");
    filled += *got;
  }
  return bytes;
}

std::string find_loop_in(std::string_view header, const std::vector<std::string>& loops) {
  message::HeaderScanner scanner(header);
  while (const auto field = scanner.next()) {
    if (!field->is("Delivered-To")) continue;
    const auto address = trim(field->body);
    for (const auto& loop : loops) {
      if (iequals(address, loop)) return loop;
    }
  }
  return {};
}

// Looks for a loop, and keeps a small message for the copy that follows.
struct Opened {
  std::string loop;
  std::string bytes;  // the whole message, when it is small
};
Result<Opened> open_mail(os::Files& files, const Mail& mail) {
  auto start = read_start(files, mail, small_message);
  if (!start) return fail(start.error());
  Opened opened;
  if (mail.length > small_message) {
    auto loop = find_loop(files, mail);
    if (!loop) return fail(loop.error());
    opened.loop = std::move(*loop);
    return opened;
  }
  opened.loop = find_loop_in(*start, mail.loops);
  opened.bytes = std::move(*start);
  return opened;
}

mailbox::Content content_of(const Mail& mail, const Opened& opened) {
  mailbox::Content content;
  content.head = mail.head;
  if (mail.length > small_message) {
    content.fd = mail.content.get();
    content.offset = mail.offset;
    content.length = mail.length;
  } else {
    content.bytes = opened.bytes;
  }
  return content;
}

class NoLog final : public Log {
  void write(Level, std::string_view) override {}
};

}  // namespace

Ending ending_of(const Error& error) {
  switch (error.trouble()) {
    case Trouble::no_space:
      return {error.os_error() == EDQUOT ? Ending::Kind::too_large : Ending::Kind::no_space, error.text()};
    case Trouble::permanent:
      return {error.os_error() == EFBIG ? Ending::Kind::too_large : Ending::Kind::permanent, error.text()};
    case Trouble::access: return {Ending::Kind::access, error.text()};
    default: return {Ending::Kind::temporary, error.text()};
  }
}

Result<std::string> find_loop(os::Files& files, const Mail& mail) {
  for (std::uint64_t most = small_message;; most = header_limit) {
    const auto start = read_start(files, mail, most);
    if (!start) return fail(start.error());
    message::HeaderBoundary boundary;
    const bool all = start->size() == mail.length || most >= header_limit;
    const auto body = boundary.find(*start, all);
    if (body || all)
      return find_loop_in(std::string_view(*start).substr(0, body.value_or(start->size())), mail.loops);
  }
}

std::vector<Ending> store_in_maildirs(WorkerTools& tools, const std::vector<MaildirJob>& jobs) {
  std::vector<Ending> endings(jobs.size());
  std::vector<Opened> opened(jobs.size());
  std::vector<mailbox::Delivery> batch;
  std::vector<std::size_t> places;  // in `jobs`, of each delivery of the batch
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    auto mail = open_mail(tools.files, jobs[i].mail);
    if (!mail) {
      endings[i] = ending_of(mail.error());
    } else if (!mail->loop.empty()) {
      endings[i] = {Ending::Kind::loop, mail->loop};
    } else {
      opened[i] = std::move(*mail);
      batch.push_back({jobs[i].directory, content_of(jobs[i].mail, opened[i]), jobs[i].size_limit});
      places.push_back(i);
    }
  }
  const auto results = tools.maildirs.deliver_batch(batch);
  for (std::size_t i = 0; i < results.size(); ++i) {
    endings[places[i]] = results[i] ? Ending{Ending::Kind::done, ""} : ending_of(results[i].error());
  }
  return endings;
}

Ending store_in_mbox(WorkerTools& tools, const MboxJob& job) {
  const auto mail = open_mail(tools.files, job.mail);
  if (!mail) return ending_of(mail.error());
  if (!mail->loop.empty()) return {Ending::Kind::loop, mail->loop};
  auto locks = mailbox::parse_mbox_locks(job.locks);
  if (!locks) return ending_of(locks.error());
  mailbox::MboxOptions options;
  options.locks = std::move(*locks);
  options.lock_attempts = job.lock_attempts;
  options.lock_delay = std::chrono::duration_cast<Milliseconds>(job.lock_delay);
  options.stale_lock = std::chrono::duration_cast<Seconds>(job.stale_lock);
  options.dotlock_may_fail = job.dotlock_may_fail;
  options.size_limit = job.size_limit;
  if (job.must_own) options.owner = ::geteuid();
  const auto done = mailbox::deliver_to_mbox(tools.files, tools.clock, job.path, job.separator,
                                             content_of(job.mail, *mail), options);
  return done ? Ending{Ending::Kind::done, ""} : ending_of(done.error());
}

Targets read_targets(WorkerTools& tools, const TargetsJob& job) {
  Targets answer;
  const auto unusable = [&](std::string_view why) {
    answer.found = Targets::Found::unusable;
    answer.text = fmt::format("{}: {}", job.path, why);
    return answer;
  };
  const int flags = O_RDONLY | O_NONBLOCK | (job.forward ? O_NOFOLLOW : 0);
  const auto fd = tools.files.open(job.path, flags);
  if (!fd) {
    answer.text = fd.error().text();
    const bool absent = fd.error().is(Trouble::not_found) || fd.error().os_error() == ENOTDIR;
    answer.found = absent                           ? Targets::Found::absent
                   : fd.error().is(Trouble::access) ? Targets::Found::unusable
                                                    : Targets::Found::trouble;
    return answer;
  }
  const auto status = tools.files.fstat(fd->get());
  if (!status) {
    answer.text = status.error().text();
    return answer;
  }
  if (status->kind != os::FileStatus::Kind::regular) return unusable("not a regular file");
  if ((status->mode & 0002) != 0) return unusable("file is world writable");
  if (job.forward) {
    if (status->uid != 0 && status->uid != ::geteuid()) return unusable("file has bad owner");
    const auto slash = job.path.rfind('/');
    const auto directory = tools.files.stat(slash == 0 ? "/" : job.path.substr(0, slash));
    if (directory && (directory->mode & 01002) == 0002) return unusable("directory is world writable");
  }
  answer.owner_uid = status->uid;
  answer.owner_gid = status->gid;

  const auto text = read_file(tools.files, job.path, job.forward ? forward_limit : include_limit);
  if (!text) {
    answer.text = text.error().text();
    return answer;
  }
  NoLog log;
  const auto targets = table::parse_alias_file(*text, job.path, log);
  if (!targets) return unusable(targets.error().text());
  if (targets->size() > max_targets) return unusable("too many destinations");
  answer.found = Targets::Found::present;
  for (const auto& target : *targets) {
    using From = table::AliasTarget::Kind;
    Target::Kind kind = Target::Kind::address;
    switch (target.kind) {
      case From::address: kind = Target::Kind::address; break;
      case From::command: kind = Target::Kind::command; break;
      case From::file: kind = Target::Kind::file; break;
      case From::home: kind = Target::Kind::home; break;
      case From::include: kind = Target::Kind::include; break;
    }
    answer.targets.push_back({kind, target.text});
  }
  return answer;
}

}  // namespace postrider::local
