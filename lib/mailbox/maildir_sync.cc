// How an opened Maildir learns what is on disk. Everything here runs under the uidlist's lock.

#include <algorithm>
#include <unordered_map>

#include <fcntl.h>
#include <sys/random.h>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/mailbox/maildir.h"
#include "lib/mailbox/uid_validity.h"

namespace postrider::mailbox {

namespace {

constexpr std::size_t list_limit = std::size_t{1} << 30;

std::string new_guid() {
  char bytes[16] = {};
  (void)::getrandom(bytes, sizeof bytes, 0);  // never fails for so few once the system is up
  return hex_encode({bytes, sizeof bytes});
}

std::uint64_t size_from(std::optional<std::uint64_t> in_name, std::string_view fields, char letter) {
  if (in_name) return *in_name;
  return parse_number<std::uint64_t>(uid_field(fields, letter)).value_or(unknown_size);
}

}  // namespace

// A file in cur/. Views into the text arena of the scan.
struct Maildir::Found {
  std::string_view name;
  std::string_view base;
  std::optional<std::uint64_t> size, virtual_size;

  explicit Found(std::string_view whole) : name(whole) {
    const auto parsed = parse_maildir_name(whole);
    base = parsed.base;
    size = parsed.size;
    virtual_size = parsed.virtual_size;
  }
};

Result<> Maildir::lock_and_synchronise() {
  const auto held = lock();
  if (!held) return fail(held.error());
  return synchronise();
}

Result<> Maildir::synchronise() {
  // Looked at before reading: what changes meanwhile makes the next refresh() read again.
  const Stamp new_before = stamp(place_.directory + "/new");
  if (const auto moved = move_new_mail(); !moved) return moved;
  const Stamp cur_before = stamp(place_.directory + "/cur");
  TextArena text;
  auto found = scan(text);
  if (!found) return fail(found.error());

  auto list = load_list();
  if (!list) return fail(list.error());
  list_ = std::move(*list);
  const std::size_t known = list_->records().size();
  const auto live = match(*found, text);
  if (!live) return fail(live.error());
  text_ = std::move(text);
  snapshot_text_.reset();
  uid_validity_ = list_->uid_validity();
  next_uid_ = list_->next_uid();

  // Records without a file stay for a while: their file may come back under its old UID.
  const bool compact = *live * 4 < known * 3;
  if (compact) drop_dead_records();
  if (const auto saved = save_list(known, compact); !saved) return saved;
  cur_stamp_ = cur_before;
  new_stamp_ = new_before;
  list_stamp_ = stamp(list_path());
  return {};
}

Result<Uidlist> Maildir::load_list() {
  const auto text = read_file(*files_, list_path(), list_limit);
  if (text) {
    auto list = Uidlist::parse(*text);
    if (list) {
      if (list->guid().empty()) list->set_guid(new_guid());
      return list;
    }
    log_->warning("{}: {}: all messages get new UIDs", list_path(), list.error().text());
  } else if (!text.error().is(Trouble::not_found)) {
    return fail(text.error());
  }
  const auto validity = next_uid_validity(*files_, *clock_, place_.root);
  if (!validity) return fail(validity.error());
  return Uidlist::fresh(*validity, new_guid());
}

Result<> Maildir::move_new_mail() {
  std::vector<std::string> names;
  const auto listed = files_->list(place_.directory + "/new", [&](std::string_view name) {
    if (!name.starts_with('.')) names.emplace_back(name);
    return true;
  });
  if (!listed) return listed;
  for (const auto& name : names) {
    const auto moved = files_->rename(fmt::format("{}/new/{}", place_.directory, name),
                                      fmt::format("{}/cur/{}", place_.directory, with_flags(name, "", "")));
    // Gone: another program moved it, which takes no lock.
    if (!moved && !moved.error().is(Trouble::not_found)) return moved;
  }
  return {};
}

Result<std::vector<Maildir::Found>> Maildir::scan(TextArena& text) {
  std::vector<Found> found;
  found.reserve(messages_.size() + 16);
  const auto listed = files_->list(place_.directory + "/cur", [&](std::string_view name) {
    if (name.starts_with('.')) return true;
    Found one(text.keep(name));
    if (!one.base.empty()) found.push_back(one);
    return true;
  });
  if (!listed) return fail(listed.error());
  return found;
}

// Fills messages_ from the files and the list, and gives UIDs to files the list does not know. Returns
// how many of the list's former records have a file.
Result<std::size_t> Maildir::match(const std::vector<Found>& found, TextArena& text) {
  const std::size_t known = list_->records().size();
  std::unordered_map<std::string_view, std::size_t, SeededHash> by_base;
  by_base.reserve(known);
  for (std::size_t i = 0; i < known; ++i) by_base[list_->records()[i].base] = i;

  std::vector<const Found*> files_of(known);
  std::vector<Found> strangers;
  for (const auto& file : found) {
    const auto at = by_base.find(file.base);
    if (at == by_base.end()) {
      strangers.push_back(file);
    } else if (files_of[at->second] == nullptr) {
      files_of[at->second] = &file;
    } else if (auto other = separate_twins(file, *files_of[at->second], text)) {
      strangers.push_back(*other);
    }
  }
  std::sort(strangers.begin(), strangers.end(),
            [](const Found& a, const Found& b) { return arrived_before(a.base, b.base); });

  messages_.clear();
  messages_.reserve(found.size());
  for (std::size_t i = 0; i < known; ++i) {
    if (files_of[i] == nullptr) continue;
    const auto& record = list_->records()[i];
    const auto size = size_of(*files_of[i], record.fields);
    if (!size) return fail(size.error());
    if (*size) add_message(*files_of[i], record, **size);
  }
  const std::size_t live = messages_.size();

  std::optional<Found> first;  // with the base name at hand
  for (auto stranger : strangers) {
    if (first && stranger.base == first->base) {
      const auto renamed = separate_twins(stranger, *first, text);
      if (!renamed) continue;
      stranger = *renamed;
    } else {
      first = stranger;
    }
    const auto size = size_of(stranger, {});
    if (!size) return fail(size.error());
    if (!*size) continue;
    if (const auto added = list_->add(stranger.base); !added) return fail(added.error());
    add_message(stranger, list_->records().back(), **size);
  }
  return live;
}

// Nothing inside: not a message. A file whose name tells its size is taken at its word until it is
// opened.
Result<std::optional<std::uint64_t>> Maildir::size_of(const Found& file, std::string_view fields) const {
  const auto size = size_from(file.size, fields, 'S');
  if (size != unknown_size) return size;
  const auto status = files_->lstat(fmt::format("{}/cur/{}", place_.directory, file.name));
  if (!status) {
    if (status.error().is(Trouble::not_found)) return std::nullopt;
    return fail(status.error());
  }
  if (status->kind != os::FileStatus::Kind::regular) return std::nullopt;
  return status->size;
}

void Maildir::add_message(const Found& file, const UidRecord& record, std::uint64_t size) {
  messages_.push_back(
      {record.uid, file.name, record.fields, size, size_from(file.virtual_size, record.fields, 'W')});
}

// Two files with one base name, so only one of them can have the UID: the same file under two names
// (a move that was interrupted) loses one, different ones are told apart by a new name, which is
// returned.
std::optional<Maildir::Found> Maildir::separate_twins(const Found& twin, const Found& first,
                                                      TextArena& text) {
  const std::string path = fmt::format("{}/cur/{}", place_.directory, twin.name);
  const auto status = files_->lstat(path);
  const auto other = files_->lstat(fmt::format("{}/cur/{}", place_.directory, first.name));
  if (!status || !other) return std::nullopt;
  if (status->inode == other->inode && status->device == other->device) {
    (void)files_->unlink(path);
    return std::nullopt;
  }
  std::string name = names_.next();
  if (twin.size) name += fmt::format(",S={}", *twin.size);
  if (twin.virtual_size) name += fmt::format(",W={}", *twin.virtual_size);
  name = with_flags(name, parse_maildir_name(twin.name).flags, "");
  log_->warning("{}: another message has this name, now {}", path, name);
  if (!files_->rename(path, fmt::format("{}/cur/{}", place_.directory, name))) return std::nullopt;
  return Found(text.keep(name));
}

void Maildir::drop_dead_records() {
  std::vector<std::uint32_t> dead;
  auto message = messages_.begin();
  for (const auto& record : list_->records()) {
    while (message != messages_.end() && message->uid < record.uid) ++message;
    if (message == messages_.end() || message->uid != record.uid) dead.push_back(record.uid);
  }
  list_->remove(dead);
}

// Makes the list durable: the records from `known` on are appended, unless the file needs writing
// anew. UIDs may be shown to a client only after this.
Result<> Maildir::save_list(std::size_t known, bool rewrite) {
  if (rewrite || list_->torn()) {
    const auto written = replace_file(*files_, list_path(), list_->format(), 0600);
    if (written) list_->mark_written();
    return written;
  }
  std::string lines;
  for (const auto& record : list_->records().subspan(known)) lines += Uidlist::format_record(record);
  if (lines.empty()) return {};
  const auto fd = files_->open(list_path(), O_WRONLY | O_APPEND | O_NOFOLLOW);
  if (!fd) return fail(fd.error());
  const auto before = files_->fstat(fd->get());
  if (!before) return fail(before.error());
  auto written = files_->write(fd->get(), lines);
  if (written) written = files_->fdatasync(fd->get());
  if (!written) (void)files_->truncate(fd->get(), before->size);
  return written;
}

}  // namespace postrider::mailbox
