#include "lib/queue/outcome_journal.h"

#include <fcntl.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>

#include <fmt/core.h>

#include "lib/base/crc32c.h"
#include "lib/base/text.h"
#include "lib/queue/bytes.h"
#include "lib/queue/file_bytes.h"
#include "lib/queue/segment.h"
#include "lib/queue/segment_scan.h"
#include "lib/queue/spill.h"

// active/outcome.<n>: entries of 32 bytes, the first one states the version. Each entry is a fact that
// stays true, so files may overlap and are read in the order of their numbers; an entry whose checksum
// is wrong is skipped.
//
//   0 crc32c of 4-31, continuing the low half of n   4 kind   5 slot   6 status   8 serial
//  16 offset   20 first recipient, or attempts   24 number of recipients, or microseconds

namespace postrider::queue {

namespace {

constexpr std::size_t entry_bytes = 32;
constexpr std::uint64_t max_file_bytes = 1ULL << 32;
constexpr std::uint64_t version = 1;

enum class Kind : std::uint8_t { start = 1, done = 2, deferred = 3, gone = 4 };

struct Entry {
  Kind kind = Kind::start;
  std::uint8_t status = 0;
  Place place;
  std::uint32_t number = 0;
  std::uint64_t value = 0;
};

void put_entry(std::string& into, const Entry& entry, std::uint64_t file_number) {
  const std::size_t start = into.size();
  put<std::uint32_t>(into, 0);
  put<std::uint8_t>(into, static_cast<std::uint8_t>(entry.kind));
  put<std::uint8_t>(into, entry.place.segment.slot);
  put<std::uint16_t>(into, entry.status);
  put<std::uint64_t>(into, entry.place.segment.serial);
  put<std::uint32_t>(into, entry.place.offset);
  put<std::uint32_t>(into, entry.number);
  put<std::uint64_t>(into, entry.value);
  put_at(into, start,
         crc32c(std::string_view(into).substr(start + 4), static_cast<std::uint32_t>(file_number)));
}

std::optional<Entry> get_entry(std::string_view bytes, std::uint64_t file_number) {
  if (get<std::uint32_t>(bytes, 0) !=
      crc32c(bytes.substr(4, entry_bytes - 4), static_cast<std::uint32_t>(file_number)))
    return std::nullopt;
  Entry entry;
  const auto kind = get<std::uint8_t>(bytes, 4);
  if (kind < 1 || kind > 4) return std::nullopt;
  entry.kind = static_cast<Kind>(kind);
  entry.place.segment.slot = get<std::uint8_t>(bytes, 5);
  entry.status = static_cast<std::uint8_t>(get<std::uint16_t>(bytes, 6));
  entry.place.segment.serial = get<std::uint64_t>(bytes, 8);
  entry.place.offset = get<std::uint32_t>(bytes, 16);
  entry.number = get<std::uint32_t>(bytes, 20);
  entry.value = get<std::uint64_t>(bytes, 24);
  if (entry.place.segment.slot >= slot_count || entry.status > 2) return std::nullopt;
  return entry;
}

struct Done {
  std::uint32_t first, count;
  RecipientStatus status;
};

struct MessageState {
  bool gone = false;
  bool replayed = false;  // known from the journal only; arrived() has not seen it yet
  std::uint32_t attempts = 0;
  std::int64_t deferred_until = 0;  // microseconds; 0: not deferred
  std::vector<Done> done;
};

struct SegmentState {
  std::unordered_map<std::uint32_t, MessageState> messages;  // by offset
  std::size_t live = 0;
};

struct OutcomeFile {
  std::uint64_t number = 0;
  os::Fd fd;
  bool named = false;  // its entry in active/ is durable
};

std::string file_name(std::uint64_t number) { return fmt::format("outcome.{:016x}", number); }

std::optional<std::uint64_t> file_number(std::string_view name) {
  if (name.size() != 24 || !name.starts_with("outcome.")) return std::nullopt;
  return parse_number<std::uint64_t>(name.substr(8), 16);
}

}  // namespace

struct OutcomeJournal::State {
  State(os::Files& f, Log& l, Layout w, Options o) : files(f), log(l), layout(std::move(w)), options(o) {}

  os::Files& files;
  Log& log;
  const Layout layout;
  const Options options;
  os::Fd lock;

  // Owner's thread.
  std::unordered_map<SegmentName, SegmentState> segments;
  std::size_t live = 0;
  std::string unwritten;                   // entries since the last flush
  std::vector<QueueId> content_unwritten;  // content files of messages removed since the last flush
  std::uint64_t end = 0;                   // of the current file
  std::uint64_t summary_end = 0;
  std::uint64_t newest = 0;  // number of the newest file

  // Shared with sync().
  mutable std::mutex mutex;
  std::shared_ptr<OutcomeFile> file;      // held by sync() while the owner starts the next
  std::vector<std::uint64_t> superseded;  // files to unlink once `file` is durable
  std::vector<QueueId> content_written;
  std::uint64_t written = 0, synced = 0;  // flushes
  bool broken = false;                    // a write or sync failed: start a new file

  void put(const Entry& entry) { put_entry(unwritten, entry, newest); }
  const MessageState* find(Place place) const;
  MessageState& at(Place place) { return segments[place.segment].messages[place.offset]; }
  void apply(const Entry& entry);
  Result<std::vector<std::uint64_t>> replay();
  Result<> recover();
  Result<std::size_t> read_file(std::uint64_t number);
  Result<> start_file();
  Result<> recycle(SegmentName name) const;
  std::string summary() const;
};

const MessageState* OutcomeJournal::State::find(Place place) const {
  const auto segment = segments.find(place.segment);
  if (segment == segments.end()) return nullptr;
  const auto message = segment->second.messages.find(place.offset);
  return message == segment->second.messages.end() ? nullptr : &message->second;
}

void OutcomeJournal::State::apply(const Entry& entry) {
  if (entry.kind == Kind::start) return;
  MessageState& message = at(entry.place);
  message.replayed = true;
  switch (entry.kind) {
    case Kind::start: break;
    case Kind::done:
      message.done.push_back({entry.number,
                              static_cast<std::uint32_t>(std::min<std::uint64_t>(entry.value, UINT32_MAX)),
                              static_cast<RecipientStatus>(entry.status)});
      break;
    case Kind::deferred:
      message.attempts = std::max(message.attempts, entry.number);
      message.deferred_until = static_cast<std::int64_t>(std::min<std::uint64_t>(entry.value, INT64_MAX));
      break;
    case Kind::gone:
      message.gone = true;
      message.done = {};
      break;
  }
}

// The number of damaged entries.
Result<std::size_t> OutcomeJournal::State::read_file(std::uint64_t number) {
  const std::string path = layout.active() + "/" + file_name(number);
  const auto fd = files.open(path, O_RDONLY | O_NOFOLLOW);
  if (!fd) return fail(fd.error());
  const auto status = files.fstat(fd->get());
  if (!status) return fail(status.error());
  const std::uint64_t size = std::min(status->size / entry_bytes * entry_bytes, max_file_bytes);
  std::size_t damaged = 0;
  constexpr std::size_t chunk = entry_bytes << 15;
  for (std::uint64_t at = 0; at < size; at += chunk) {
    const auto bytes = read_exactly(files, fd->get(), at,
                                    static_cast<std::size_t>(std::min<std::uint64_t>(chunk, size - at)));
    if (!bytes) return fail(bytes.error());
    for (std::size_t i = 0; i < bytes->size(); i += entry_bytes) {
      const auto entry = get_entry(std::string_view(*bytes).substr(i, entry_bytes), number);
      if (!entry) {
        ++damaged;
      } else if (entry->kind == Kind::start && entry->value != version) {
        return fail(Trouble::permanent, path + ": of an unknown version");
      } else {
        apply(*entry);
      }
    }
  }
  return damaged;
}

// Reads every file there is, and returns their numbers in order.
Result<std::vector<std::uint64_t>> OutcomeJournal::State::replay() {
  std::vector<std::uint64_t> numbers;
  auto listed = files.list(layout.active(), [&](std::string_view name) {
    if (const auto number = file_number(name)) numbers.push_back(*number);
    return true;
  });
  if (!listed) return fail(listed.error());
  std::ranges::sort(numbers);
  std::size_t damaged = 0;
  for (const std::uint64_t number : numbers) {
    const auto bad = read_file(number);
    if (!bad) return fail(bad.error());
    damaged += *bad;
  }
  if (damaged > 0)
    log.warning("{} damaged entries in {} ignored: some mail may be delivered twice", damaged,
                layout.active());
  return numbers;
}

Result<> OutcomeJournal::State::recover() {
  auto numbers = replay();
  if (!numbers) return fail(numbers.error());
  if (!numbers->empty()) newest = numbers->back();
  superseded = std::move(*numbers);
  // What was noted about segments that are no more.
  std::vector<SegmentName> present;
  const auto listed = files.list(layout.incoming(), [&](std::string_view name) {
    if (const auto segment = SegmentName::parse(name)) present.push_back(*segment);
    return true;
  });
  if (!listed) return listed;
  std::erase_if(segments,
                [&](const auto& known) { return std::ranges::find(present, known.first) == present.end(); });
  return start_file();
}

std::string OutcomeJournal::State::summary() const {
  std::string bytes;
  put_entry(bytes, {Kind::start, 0, {}, 0, version}, newest);
  for (const auto& [name, segment] : segments)
    for (const auto& [offset, message] : segment.messages) {
      const Place place{name, offset};
      if (message.gone) {
        put_entry(bytes, {Kind::gone, 0, place, 0, 0}, newest);
        continue;
      }
      for (const Done& done : message.done)
        put_entry(bytes, {Kind::done, static_cast<std::uint8_t>(done.status), place, done.first, done.count},
                  newest);
      if (message.attempts > 0)
        put_entry(
            bytes,
            {Kind::deferred, 0, place, message.attempts, static_cast<std::uint64_t>(message.deferred_until)},
            newest);
    }
  return bytes;
}

// Begins a file with everything that is known; those before it go once it is durable.
Result<> OutcomeJournal::State::start_file() {
  {
    const std::lock_guard guard(mutex);
    broken = true;  // until the new file holds it all
  }
  ++newest;
  auto fd = files.open(layout.active() + "/" + file_name(newest), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
  if (!fd) return fail(fd.error());
  const std::string bytes = summary();
  const auto written_summary = files.pwrite(fd->get(), bytes, 0);
  const std::lock_guard guard(mutex);
  if (file) superseded.push_back(file->number);
  file = std::make_shared<OutcomeFile>(OutcomeFile{newest, std::move(*fd), false});
  if (!written_summary) return written_summary;
  broken = false;
  ++written;
  end = summary_end = bytes.size();
  return {};
}

OutcomeJournal::OutcomeJournal(std::unique_ptr<State> state) : state_(std::move(state)) {}
OutcomeJournal::~OutcomeJournal() = default;

Result<std::unique_ptr<OutcomeJournal>> OutcomeJournal::open(os::Files& files, Log& log, Layout layout,
                                                             Options options) {
  auto state = std::make_unique<State>(files, log, std::move(layout), options);
  const std::string lock_path = state->layout.active() + "/lock";
  auto lock = files.open(lock_path, O_RDWR | O_CREAT | O_NOFOLLOW);
  if (!lock) return fail(lock.error());
  const auto locked = files.try_lock(lock->get(), true);
  if (!locked) return fail(locked.error());
  if (!*locked) return fail(Trouble::temporary, lock_path + ": another queue manager is running");
  state->lock = std::move(*lock);
  if (auto recovered = state->recover(); !recovered) return fail(recovered.error());
  std::unique_ptr<OutcomeJournal> journal(new OutcomeJournal(std::move(state)));
  if (auto synced = journal->sync(); !synced) return fail(synced.error());
  return journal;
}

Result<std::unique_ptr<const OutcomeJournal>> OutcomeJournal::view(os::Files& files, Log& log,
                                                                   Layout layout) {
  auto state = std::make_unique<State>(files, log, std::move(layout), Options{});
  if (const auto read = state->replay(); !read) return fail(read.error());
  return std::unique_ptr<const OutcomeJournal>(new OutcomeJournal(std::move(state)));
}

bool OutcomeJournal::arrived(Place place) {
  SegmentState& segment = state_->segments[place.segment];
  const auto [message, is_new] = segment.messages.try_emplace(place.offset);
  if (message->second.gone) return false;
  if (!is_new && !message->second.replayed) return false;
  message->second.replayed = false;
  ++segment.live;
  ++state_->live;
  return true;
}

bool OutcomeJournal::gone(Place place) const {
  const MessageState* message = state_->find(place);
  return message != nullptr && message->gone;
}

void OutcomeJournal::apply(Place place, Envelope& envelope) const {
  const MessageState* message = state_->find(place);
  if (message == nullptr) return;
  for (const Done& done : message->done)
    for (std::uint64_t i = done.first; i < envelope.recipients.size() && i - done.first < done.count; ++i)
      envelope.recipients[static_cast<std::size_t>(i)].status = done.status;
}

std::optional<WallTime> OutcomeJournal::deferred_until(Place place) const {
  const MessageState* message = state_->find(place);
  if (message == nullptr || message->deferred_until == 0) return std::nullopt;
  return WallTime(Microseconds(message->deferred_until));
}

std::uint32_t OutcomeJournal::attempts(Place place) const {
  const MessageState* message = state_->find(place);
  return message == nullptr ? 0 : message->attempts;
}

void OutcomeJournal::recipients_done(Place place, std::uint32_t first, std::uint32_t count,
                                     RecipientStatus status) {
  auto& done = state_->at(place).done;
  // Runs grow, so that a message to thousands costs a few entries of memory.
  if (!done.empty() && done.back().status == status && done.back().first + done.back().count == first)
    done.back().count += count;
  else
    done.push_back({first, count, status});
  state_->put({Kind::done, static_cast<std::uint8_t>(status), place, first, count});
}

void OutcomeJournal::deferred(Place place, WallTime until) {
  MessageState& message = state_->at(place);
  ++message.attempts;
  message.deferred_until = std::max<std::int64_t>(until.time_since_epoch().count(), 1);
  state_->put(
      {Kind::deferred, 0, place, message.attempts, static_cast<std::uint64_t>(message.deferred_until)});
}

void OutcomeJournal::removed(Place place, std::optional<QueueId> content) {
  SegmentState& segment = state_->segments[place.segment];
  const auto [entry, is_new] = segment.messages.try_emplace(place.offset);
  MessageState& message = entry->second;
  if (!is_new && !message.gone && !message.replayed) {
    --segment.live;
    --state_->live;
  }
  message.gone = true;
  message.done = {};
  state_->put({Kind::gone, 0, place, 0, 0});
  if (content) state_->content_unwritten.push_back(*content);
}

void OutcomeJournal::spilled(Place place) { removed(place); }

Result<> OutcomeJournal::flush() {
  State& state = *state_;
  bool fresh = false;
  {
    const std::lock_guard guard(state.mutex);
    fresh = state.broken;
  }
  if (!fresh && state.unwritten.empty() && state.content_unwritten.empty()) return {};
  fresh = fresh || (state.end > state.options.rotate_bytes && state.end > 4 * state.summary_end);
  if (fresh) {
    // The summary holds what is unwritten, too.
    if (auto started = state.start_file(); !started) return started;
  } else {
    if (auto written = state.files.pwrite(state.file->fd.get(), state.unwritten, state.end); !written) {
      const std::lock_guard guard(state.mutex);
      state.broken = true;
      return written;
    }
    state.end += state.unwritten.size();
  }
  state.unwritten.clear();
  const std::lock_guard guard(state.mutex);
  ++state.written;
  state.content_written.insert(state.content_written.end(), state.content_unwritten.begin(),
                               state.content_unwritten.end());
  state.content_unwritten.clear();
  return {};
}

bool OutcomeJournal::needs_sync() const {
  const std::lock_guard guard(state_->mutex);
  return state_->written != state_->synced;
}

Result<> OutcomeJournal::sync() {
  State& state = *state_;
  std::shared_ptr<OutcomeFile> file;
  std::vector<std::uint64_t> superseded;
  std::vector<QueueId> contents;
  std::uint64_t reached = 0;
  {
    const std::lock_guard guard(state.mutex);
    if (state.broken)
      return fail(Trouble::temporary, state.layout.active() + ": the outcome journal needs a new file");
    file = state.file;
    superseded = state.superseded;
    contents = std::exchange(state.content_written, {});
    reached = state.written;
  }
  auto synced = state.files.fdatasync(file->fd.get());
  // A file whose name is lost is no journal, whatever was synced in it.
  if (synced && !file->named) synced = state.files.sync_directory(state.layout.active());
  if (synced) file->named = true;
  if (!synced) {
    const std::lock_guard guard(state.mutex);
    state.broken = true;  // a second fdatasync would prove nothing
    state.content_written.insert(state.content_written.end(), contents.begin(), contents.end());
    return synced;
  }
  for (const std::uint64_t number : superseded)
    (void)state.files.unlink(state.layout.active() + "/" + file_name(number));
  for (const QueueId id : contents) (void)state.files.unlink(state.layout.content(id));
  const std::lock_guard guard(state.mutex);
  std::erase_if(state.superseded, [&](std::uint64_t number) {
    return std::ranges::find(superseded, number) != superseded.end();
  });
  state.synced = reached;
  return {};
}

Result<std::vector<SegmentName>> OutcomeJournal::idle_segments() const {
  std::map<unsigned, std::uint64_t> newest;  // serial by slot
  std::vector<SegmentName> idle;
  auto listed = state_->files.list(state_->layout.incoming(), [&](std::string_view text) {
    const auto name = SegmentName::parse(text);
    if (!name) return true;
    newest[name->slot] = std::max(newest[name->slot], name->serial);
    const auto known = state_->segments.find(*name);
    if (known == state_->segments.end() || known->second.live == 0) idle.push_back(*name);
    return true;
  });
  if (!listed) return fail(listed.error());
  std::erase_if(idle, [&](SegmentName name) {
    return newest[name.slot] == name.serial && slot_in_use(state_->files, state_->layout, name.slot);
  });
  return idle;
}

Result<> OutcomeJournal::recycle(const SegmentScan& scan) {
  State& state = *state_;
  const SegmentName name = scan.segment();
  if (!scan.read_whole()) return fail(Trouble::temporary, name.text() + ": not read to its end");
  SpillStore store(state.files, state.layout);
  for (const SegmentScan::Damage& damage : scan.damage())
    if (auto kept = store.keep_damaged_record(damage.place, damage.bytes); !kept) return kept;
  return state.recycle(name);
}

Result<> OutcomeJournal::recycle_void(SegmentName name) {
  State& state = *state_;
  const auto fd = state.files.open(state.layout.segment(name), O_RDONLY | O_NOFOLLOW);
  if (!fd) return fail(fd.error());
  const auto start = read_exactly(state.files, fd->get(), 0, 64);
  if (!start) return fail(start.error());
  const auto header = decode_segment_header(*start);
  if (!header || header->name.serial != 0) return fail(Trouble::temporary, name.text() + ": is not void");
  return state.recycle(name);
}

Result<> OutcomeJournal::State::recycle(SegmentName name) const {
  const std::string path = layout.segment(name);
  auto fd = files.open(path, O_RDWR | O_NOFOLLOW);
  if (!fd) return fail(fd.error());
  const auto status = files.fstat(fd->get());
  if (!status) return fail(status.error());
  // Void first: the rename may be undone by a crash, and then nothing in here may come back to life.
  auto done = files.pwrite(fd->get(), encode(SegmentHeader{{}, 0, status->size}), 0);
  if (done) done = files.fdatasync(fd->get());
  if (!done) return done;
  std::size_t pooled = 0;
  (void)files.list(layout.pool(), [&](std::string_view free) {
    if (free.starts_with("free.")) ++pooled;
    return true;
  });
  if (pooled >= options.pool_limit) return files.unlink(path);
  return files.rename(path, layout.pool() + "/free." + name.text());
}

void OutcomeJournal::forget(SegmentName name) { state_->segments.erase(name); }

std::size_t OutcomeJournal::live_messages() const { return state_->live; }

}  // namespace postrider::queue
