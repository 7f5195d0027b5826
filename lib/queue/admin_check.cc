#include <fcntl.h>

#include <algorithm>
#include <map>

#include <fmt/core.h>

#include "lib/queue/admin.h"
#include "lib/queue/maildrop.h"

namespace postrider::queue {

namespace {

constexpr Seconds far_future{60 * 24 * 3600};

// The structure check of the shelves: one file at a time, then what several files say together.
class Check {
 public:
  Check(os::Files& files, const Clock& clock, const Layout& layout, SpillStore& store, bool repair)
      : files_(files), clock_(clock), layout_(layout), store_(store), repair_(repair) {}

  Result<std::vector<QueueAdmin::Problem>> run() {
    const auto queue = files_.stat(layout_.incoming());  // its owner is mail_owner
    if (!queue) return fail(queue.error());
    owner_ = queue->uid;
    group_ = queue->gid;
    for (const Shelf shelf : {Shelf::hold, Shelf::deferred}) {
      check_directory(shelf, layout_.shelf(shelf), shelf == Shelf::deferred);
      if (shelf != Shelf::deferred) continue;
      for (const char letter : std::string_view("0123456789ABCDEF"))
        check_directory(shelf, layout_.shelf(shelf) + "/" + letter, false);
    }
    check_segments();
    check_working_directory(layout_.incoming(), is_journal_file);
    check_working_directory(layout_.pool(), [](std::string_view name) {
      return name.starts_with("free.") || name.starts_with("claim.");
    });
    check_working_directory(layout_.active(), [](std::string_view name) {
      return name == "lock" || name.starts_with("outcome.");
    });
    check_maildrop();
    return std::move(problems_);
  }

 private:
  // `has_letters`: the directories 0-F in here are as they should be.
  void check_directory(Shelf shelf, const std::string& directory, bool has_letters) {
    for (const std::string& name : names_in(directory)) {
      const bool letter = has_letters && name.size() == 1 &&
                          std::string_view("0123456789ABCDEF").find(name[0]) != std::string_view::npos;
      if (!letter) check_file(shelf, directory + "/" + name, name);
    }
  }

  static bool is_journal_file(std::string_view name) {
    return SegmentName::parse(name) || name.starts_with("slot.") || name == "pool" ||
           (name.ends_with(".content") && QueueId::parse(name.substr(0, name.size() - 8)));
  }

  // Files of the suite's own need the right owner and mode; a message that was copied here goes to deferred/,
  // what is neither to corrupt/.
  void check_working_directory(const std::string& directory, bool (*belongs)(std::string_view name)) {
    for (const std::string& name : names_in(directory)) {
      const std::string path = directory + "/" + name;
      if (!belongs(name)) {
        check_file(Shelf::deferred, path, name);
        continue;
      }
      const auto status = files_.lstat(path);
      if (status && status->kind == os::FileStatus::Kind::regular &&
          (status->uid != owner_ || status->mode != 0600))
        mend_owner(path, *status);
    }
  }

  // The owner of a submission is its sender, and stays; pickup must be able to read it.
  void check_maildrop() {
    for (const std::string& name : names_in(layout_.maildrop())) {
      const std::string path = layout_.maildrop() + "/" + name;
      if (name.size() == 33 && name.front() == 't') continue;  // being written
      if (!is_maildrop_name(name)) {
        check_file(Shelf::deferred, path, name);
        continue;
      }
      const auto status = files_.lstat(path);
      if (status && status->kind == os::FileStatus::Kind::regular && (status->mode & 0444) != 0444) {
        const auto fd = files_.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
        note(path, fmt::format("mode {:04o}, not 0644", status->mode),
             repair_ && fd && files_.chmod(fd->get(), 0644).has_value());
      }
      const auto submission = read_submission(files_, path, owner_);
      if (!submission && submission.error().is(Trouble::permanent))
        note(path, submission.error().text() + "; to corrupt/", to_corrupt(path, name));
    }
  }

  std::vector<std::string> names_in(const std::string& directory) {
    std::vector<std::string> names;
    auto listed = files_.list(directory, [&](std::string_view name) {
      if (!name.starts_with('.')) names.emplace_back(name);
      return true;
    });
    if (!listed) note(directory, listed.error().text(), false);
    std::ranges::sort(names);
    return names;
  }

  void check_file(Shelf shelf, const std::string& path, const std::string& name) {
    const auto status = files_.lstat(path);
    if (!status) return;  // gone meanwhile
    if (status->kind != os::FileStatus::Kind::regular) {
      note(path, "not a regular file", false);
      return;
    }
    if (status->uid != owner_ || status->mode != 0600) mend_owner(path, *status);
    const auto message = store_.read_path(path, true);
    if (!message && message.error().is(Trouble::permanent)) {
      note(path, message.error().text() + "; to corrupt/", to_corrupt(path, name));
      return;
    }
    if (!message) {
      note(path, message.error().text(), false);
      return;
    }
    const QueueId id = message->envelope.id;
    const std::string wanted = layout_.spilled(shelf, id);
    if (const auto other = seen_.find(id); other != seen_.end()) {
      if (other->second == path) return;  // moved here a moment ago
      note(path, fmt::format("the same message as {}; to corrupt/", below_root(other->second)),
           to_corrupt(path, name));
      return;
    }
    std::string here = path;
    if (path != wanted) {
      if (files_.lstat(wanted)) {
        note(path, fmt::format("is message {}, whose place is taken; to corrupt/", id),
             to_corrupt(path, name));
        return;
      }
      const bool done = moved(path, wanted);
      note(path, fmt::format("is message {}; to {}", id, below_root(wanted)), done);
      if (done) here = wanted;
    }
    seen_.emplace(id, here);
    if (message->next_attempt > clock_.wall() + far_future)
      note(here, "its next attempt is months away; due now",
           repair_ && files_.set_modified(here, clock_.wall()).has_value());
  }

  void mend_owner(const std::string& path, const os::FileStatus& status) {
    bool repaired = false;
    if (repair_) {
      const auto fd = files_.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      repaired = fd.has_value();
      if (repaired && status.uid != owner_) repaired = files_.chown(fd->get(), owner_, group_).has_value();
      if (repaired) repaired = files_.chmod(fd->get(), 0600).has_value();
    }
    note(path, fmt::format("owner {} mode {:04o}, not {} and 0600", status.uid, status.mode, owner_),
         repaired);
  }

  bool moved(const std::string& from, const std::string& to) {
    if (!repair_) return false;
    auto done = files_.rename(from, to);
    if (done) done = files_.sync_directory(to.substr(0, to.rfind('/')));
    return done.has_value();
  }

  bool to_corrupt(const std::string& path, const std::string& name) {
    std::string to = layout_.shelf(Shelf::corrupt) + "/" + name;
    for (int n = 1; files_.lstat(to); ++n)
      to = fmt::format("{}/{}.{}", layout_.shelf(Shelf::corrupt), name, n);
    return moved(path, to);
  }

  void check_segments() {
    QueueReader reader(files_, layout_);
    const auto segments = reader.segments();
    if (!segments) {
      note(layout_.incoming(), segments.error().text(), false);
      return;
    }
    for (const SegmentName name : *segments) {
      const std::string path = layout_.segment(name);
      auto scan = reader.scan(name);
      if (!scan) {
        if (scan.error().is(Trouble::permanent))
          note(path, scan.error().text() + "; to corrupt/", to_corrupt(path, name.text()));
        else if (!scan.error().is(Trouble::not_found))
          note(path, scan.error().text(), false);
        continue;
      }
      for (;;) {
        auto found = scan->next();
        if (!found) {
          note(path, found.error().text(), false);
          break;
        }
        if (!*found) break;
        if ((*found)->damaged)
          save_record(path, **found);
        else if ((*found)->in_content_file)
          check_content(reader, **found);
      }
    }
  }

  // Content that does not fit its record any more is of use to nobody but the administrator.
  void check_content(QueueReader& reader, const Found& found) {
    const std::string path = layout_.content(found.envelope.id);
    if (!files_.lstat(path)) return;  // the message is gone, or was put aside
    const auto message = reader.read(found.place);
    if (message || !message.error().is(Trouble::permanent)) return;
    const bool kept = repair_ && store_.keep_damaged_record(found.place, found.record_bytes);
    note(path, message.error().text() + "; to corrupt/",
         kept && to_corrupt(path, found.envelope.id.text() + ".content"));
  }

  // The segment is left as it is; a copy of the record goes where an administrator finds it.
  void save_record(const std::string& path, const Found& found) {
    note(path, fmt::format("{} at {}: {}", found.envelope.id, found.place.offset, found.trouble),
         repair_ && store_.keep_damaged_record(found.place, found.record_bytes).has_value());
  }

  std::string below_root(const std::string& path) const { return path.substr(layout_.root().size() + 1); }
  void note(const std::string& path, std::string text, bool repaired) {
    problems_.push_back({below_root(path), std::move(text), repaired});
  }

  os::Files& files_;
  const Clock& clock_;
  const Layout& layout_;
  SpillStore& store_;
  const bool repair_;
  uid_t owner_ = 0;
  gid_t group_ = 0;
  std::map<QueueId, std::string> seen_;
  std::vector<QueueAdmin::Problem> problems_;
};

}  // namespace

Result<std::vector<QueueAdmin::Problem>> QueueAdmin::check(bool repair) {
  return Check(files_, clock_, layout_, store_, repair).run();
}

}  // namespace postrider::queue
