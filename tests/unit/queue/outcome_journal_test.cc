#include "lib/queue/outcome_journal.h"

#include <catch2/catch.hpp>

#include "lib/queue/slot.h"
#include "tests/unit/queue/journal_fixture.h"

using namespace postrider;
using namespace postrider::queue;
using namespace postrider::queue::test;

namespace {

// A queue with `count` messages in one segment (or more when they do not fit).
struct Queue : QueueDirectory {
  std::vector<Place> places;
  explicit Queue(unsigned count = 4) {
    auto writer = this->writer(os::system_files());
    for (unsigned i = 0; i < count; ++i) {
      const Letter letter(envelope(i), "text");
      const PendingRecord one = letter.record();
      places.push_back(*writer.commit({&one, 1})[0]);
    }
  }
  std::unique_ptr<OutcomeJournal> open(os::Files& files = os::system_files(),
                                       OutcomeJournal::Options options = {}) {
    auto journal = OutcomeJournal::open(files, log, layout, options);
    REQUIRE(journal);
    return std::move(*journal);
  }
};

Envelope three_recipients() {
  Envelope e;
  e.recipients.resize(3);
  return e;
}

std::vector<RecipientStatus> statuses(const OutcomeJournal& journal, Place place) {
  Envelope e = three_recipients();
  journal.apply(place, e);
  return {e.recipients[0].status, e.recipients[1].status, e.recipients[2].status};
}

constexpr auto todo = RecipientStatus::todo;
constexpr auto delivered = RecipientStatus::delivered;
constexpr auto bounced = RecipientStatus::bounced;

}  // namespace

TEST_CASE("outcomes are known again after a restart, without a sync") {
  Queue queue;
  const WallTime until = queue.clock.wall() + Seconds(300);
  {
    auto journal = queue.open();
    for (const Place place : queue.places) CHECK(journal->arrived(place));
    journal->recipients_done(queue.places[0], 0, 1, delivered);
    journal->recipients_done(queue.places[0], 2, 1, bounced);
    journal->deferred(queue.places[1], until);
    journal->deferred(queue.places[1], until + Seconds(1));
    journal->removed(queue.places[2]);
    CHECK(journal->live_messages() == 3);
    REQUIRE(journal->flush());
  }
  for (int restart = 0; restart < 3; ++restart) {
    auto journal = queue.open();
    CHECK(statuses(*journal, queue.places[0]) == std::vector{delivered, todo, bounced});
    CHECK(journal->attempts(queue.places[1]) == 2);
    CHECK(journal->deferred_until(queue.places[1]) == until + Seconds(1));
    CHECK(journal->gone(queue.places[2]));
    CHECK_FALSE(journal->gone(queue.places[3]));
    CHECK(journal->arrived(queue.places[0]));
    CHECK_FALSE(journal->arrived(queue.places[0]));  // announced and found by the scan
    CHECK_FALSE(journal->arrived(queue.places[2]));
    CHECK(journal->live_messages() == 1);
    CHECK(queue.names(queue.layout.active()).size() == 2);  // lock and the newest file
  }
}

TEST_CASE("a second queue manager is kept out") {
  Queue queue;
  auto journal = queue.open();
  const auto second = OutcomeJournal::open(os::system_files(), queue.log, queue.layout, {});
  REQUIRE_FALSE(second);
  CHECK(second.error().is(Trouble::temporary));
}

TEST_CASE("a view says what became of messages and leaves the journal to its owner") {
  Queue queue;
  const auto journal = queue.open();
  for (const Place place : queue.places) REQUIRE(journal->arrived(place));
  journal->recipients_done(queue.places[0], 1, 1, delivered);
  journal->removed(queue.places[1]);
  REQUIRE(journal->flush());
  const auto before = queue.names(queue.layout.active());
  const auto view = OutcomeJournal::view(os::system_files(), queue.log, queue.layout);
  REQUIRE(view);
  CHECK(statuses(**view, queue.places[0]) == std::vector{todo, delivered, todo});
  CHECK((*view)->gone(queue.places[1]));
  CHECK_FALSE((*view)->gone(queue.places[2]));
  CHECK(queue.names(queue.layout.active()) == before);
}

TEST_CASE("a torn or damaged entry costs that entry alone") {
  Queue queue(3);
  {
    auto journal = queue.open();
    for (const Place place : queue.places) {
      journal->arrived(place);
      journal->removed(place);
    }
    REQUIRE(journal->flush());
  }
  const std::string path = queue.layout.active() + "/" + queue.names(queue.layout.active()).back();
  const std::string whole = file_bytes(path);
  REQUIRE(whole.size() == 4 * 32);
  for (std::size_t at = 32; at < 64; ++at) {
    overwrite(path, "\x55", at);
    if (whole[at] != '\x55') {
      auto journal = queue.open();
      CHECK_FALSE(journal->gone(queue.places[0]));
      CHECK(journal->gone(queue.places[1]));
      CHECK(journal->gone(queue.places[2]));
    }
    // The journal went on in a new file; put the old one back.
    for (const std::string& name : queue.names(queue.layout.active()))
      if (name != "lock") REQUIRE(os::system_files().unlink(queue.layout.active() + "/" + name));
    REQUIRE(os::replace_file(os::system_files(), path, whole, 0600));
  }
  for (std::size_t length = 0; length <= whole.size(); ++length) {
    REQUIRE(os::replace_file(os::system_files(), path, whole.substr(0, length), 0600));
    {
      auto journal = queue.open();
      for (std::size_t i = 0; i < 3; ++i) CHECK(journal->gone(queue.places[i]) == (length >= (i + 2) * 32));
    }
    for (const std::string& name : queue.names(queue.layout.active()))
      if (name != "lock") REQUIRE(os::system_files().unlink(queue.layout.active() + "/" + name));
  }
}

TEST_CASE("the journal starts a new file with a summary when it grows") {
  Queue queue(2);
  auto journal = queue.open(os::system_files(), {.rotate_bytes = 1024});
  for (const Place place : queue.places) journal->arrived(place);
  for (std::uint32_t i = 0; i < 200; ++i) {
    journal->deferred(queue.places[0], queue.clock.wall());
    REQUIRE(journal->flush());
    if (i % 10 == 0) REQUIRE(journal->sync());
  }
  journal->removed(queue.places[1]);
  REQUIRE(journal->flush());
  REQUIRE(journal->sync());
  CHECK_FALSE(journal->needs_sync());
  const auto names = queue.names(queue.layout.active());
  REQUIRE(names.size() == 2);
  CHECK(file_bytes(queue.layout.active() + "/" + names[1]).size() < 2048);
  journal.reset();
  journal = queue.open();
  CHECK(journal->attempts(queue.places[0]) == 200);
  CHECK(journal->gone(queue.places[1]));
}

TEST_CASE("after a failed write or sync everything known goes to a fresh file") {
  for (const char* call : {"pwrite", "fdatasync"}) {
    Queue queue(2);
    os::test::FaultyFiles files;
    auto journal = queue.open(files);
    for (const Place place : queue.places) journal->arrived(place);
    journal->removed(queue.places[0]);
    files.fail_call(1, EIO, call, true);
    const bool flushed = journal->flush().has_value();
    const bool synced = journal->sync().has_value();
    CHECK_FALSE((flushed && synced));
    CHECK_FALSE(journal->sync());  // a second sync of the same file proves nothing
    journal->removed(queue.places[1]);
    REQUIRE(journal->flush());
    REQUIRE(journal->sync());
    journal.reset();
    journal = queue.open();
    CHECK(journal->gone(queue.places[0]));
    CHECK(journal->gone(queue.places[1]));
  }
}

TEST_CASE("whatever call fails, outcomes flushed and synced survive") {
  for (std::size_t k = 1;; ++k) {
    Queue queue(3);
    os::test::FaultyFiles files;
    std::vector<Place> promised;
    files.fail_call(k, EIO, {}, true);
    {
      auto opened = OutcomeJournal::open(files, queue.log, queue.layout, {.rotate_bytes = 64});
      if (opened) {
        auto& journal = **opened;
        for (const Place place : queue.places) {
          journal.arrived(place);
          journal.removed(place);
          const bool flushed = journal.flush().has_value();
          const bool synced = journal.sync().has_value();
          if (flushed && synced) promised.push_back(place);
        }
      }
    }
    auto journal = queue.open();
    for (const Place place : promised) CHECK(journal->gone(place));
    if (!files.failed()) {
      CHECK(promised.size() == 3);
      break;
    }
    REQUIRE(k < 200);
  }
}

TEST_CASE("a content file goes only when the removal of its message is durable") {
  Queue queue(1);
  const QueueId id = queue.envelope(0).id;
  REQUIRE(os::replace_file(os::system_files(), queue.layout.content(id), "text", 0600));
  os::test::FaultyFiles files;
  auto journal = queue.open(files);
  journal->arrived(queue.places[0]);
  journal->removed(queue.places[0], id);
  REQUIRE(journal->flush());
  CHECK(os::system_files().lstat(queue.layout.content(id)));
  files.fail_call(1, EIO, "fdatasync");
  CHECK_FALSE(journal->sync());
  CHECK(os::system_files().lstat(queue.layout.content(id)));
  REQUIRE(journal->flush());
  REQUIRE(journal->sync());
  CHECK_FALSE(os::system_files().lstat(queue.layout.content(id)));
}

TEST_CASE("a segment is idle when its messages are gone and its writer moved on") {
  Queue queue(2);
  auto slot = Slot::take(os::system_files(), queue.layout);
  REQUIRE(slot);
  auto journal = queue.open();
  const SegmentName name = queue.places[0].segment;
  for (const Place place : queue.places) journal->arrived(place);
  CHECK(journal->idle_segments()->empty());
  journal->removed(queue.places[0]);
  journal->spilled(queue.places[1]);
  CHECK(journal->idle_segments()->empty());  // the slot's newest, and its owner lives
  {
    const Slot gone = std::move(*slot);
  }
  REQUIRE(journal->idle_segments()->size() == 1);
  CHECK(journal->idle_segments()->front() == name);
  REQUIRE(journal->recycle(read_to_end(queue, name)));
  journal->forget(name);
  CHECK(queue.segments().empty());
  CHECK(queue.names(queue.layout.pool()).size() == 1);
  QueueReader reader(os::system_files(), queue.layout);
  CHECK_FALSE(reader.read(queue.places[0]));
}

TEST_CASE("a message announced after its segment was used again is not found") {
  Queue queue(1);
  auto journal = queue.open();
  REQUIRE(journal->recycle(read_to_end(queue, queue.places[0].segment)));
  QueueReader reader(os::system_files(), queue.layout);
  const auto late = reader.read(queue.places[0]);
  REQUIRE_FALSE(late);
  CHECK(late.error().is(Trouble::not_found));
}

TEST_CASE("a crash between voiding a segment and moving it brings nothing back") {
  Queue queue(2);
  os::test::FaultyFiles files;
  auto journal = queue.open(files);
  for (const Place place : queue.places) {
    journal->arrived(place);
    journal->removed(place);
  }
  const SegmentName name = queue.places[0].segment;
  files.fail_call(1, EIO, "rename");
  CHECK_FALSE(journal->recycle(read_to_end(queue, name)));
  journal.reset();  // without flush: the outcomes are lost
  journal = queue.open();
  QueueReader reader(os::system_files(), queue.layout);
  const auto scan = reader.scan(name);
  REQUIRE_FALSE(scan);
  CHECK(scan.error().is(Trouble::not_found));
  REQUIRE(journal->idle_segments()->size() == 1);
  REQUIRE(journal->recycle_void(name));
  CHECK(queue.segments().empty());
}

TEST_CASE("a segment that was not read to its end is not used again") {
  Queue queue(2);
  auto journal = queue.open();
  const SegmentName name = queue.places[0].segment;
  QueueReader reader(os::system_files(), queue.layout);
  auto unread = reader.scan(name);
  REQUIRE(unread);
  REQUIRE(unread->next());  // the first of two
  CHECK_FALSE(journal->recycle(*unread));
  auto late = reader.scan(name, queue.places[1].offset);  // to the end, but not from the beginning
  REQUIRE(late);
  while (late->next().value()) {
  }
  CHECK_FALSE(journal->recycle(*late));
  CHECK_FALSE(journal->recycle_void(name));
  CHECK(reader.read(queue.places[1]));
}

TEST_CASE("a scan that fails half-way does not lead to a segment being used again") {
  Queue queue(2);
  auto journal = queue.open();
  const SegmentName name = queue.places[0].segment;
  os::test::FaultyFiles files;
  QueueReader reader(files, queue.layout);
  auto scan = reader.scan(name);
  REQUIRE(scan);
  files.fail_from(1, EIO, "pread");
  CHECK_FALSE(scan->next());
  CHECK_FALSE(journal->recycle(*scan));
}

TEST_CASE("a damaged record is kept in corrupt/ before its segment is used again") {
  Queue queue(3);
  auto journal = queue.open();
  const Place damaged = queue.places[0];
  const std::string path = queue.layout.segment(damaged.segment);
  const std::string before = file_bytes(path);
  overwrite(path, "X", damaged.offset + record_header_bytes + 4);
  const SegmentScan scan = read_to_end(queue, damaged.segment);
  REQUIRE(scan.damage().size() == 1);
  REQUIRE(journal->recycle(scan));
  const std::string kept = file_bytes(queue.layout.shelf(Shelf::corrupt) + "/" + damaged.segment.text() +
                                      "." + std::to_string(damaged.offset));
  CHECK(kept.size() > record_header_bytes);
  CHECK(kept.substr(0, record_header_bytes) == before.substr(damaged.offset, record_header_bytes));
}

TEST_CASE("a segment stays when the damaged record in it cannot be kept") {
  Queue queue(3);
  os::test::FaultyFiles files;
  auto journal = queue.open(files);
  const Place damaged = queue.places[0];
  overwrite(queue.layout.segment(damaged.segment), "X", damaged.offset + record_header_bytes + 4);
  const SegmentScan scan = read_to_end(queue, damaged.segment);
  files.fail_call(1, ENOSPC, "write");
  CHECK_FALSE(journal->recycle(scan));
  QueueReader reader(os::system_files(), queue.layout);
  CHECK(reader.read(queue.places[1]));
}

TEST_CASE("the name of the first outcome file is durable before a content file goes") {
  Queue queue(1);
  os::test::RecordingFiles files;
  auto journal = queue.open(files);
  std::size_t synced = 0;
  for (const auto& change : files.changes())
    if (change.name == "sync_directory" && change.path == queue.layout.active()) ++synced;
  CHECK(synced == 1);
}

TEST_CASE("the pool is bounded") {
  Queue queue(60);
  auto journal = queue.open(os::system_files(), {.pool_limit = 2});
  const auto segments = queue.segments();
  REQUIRE(segments.size() > 3);
  for (const SegmentName name : segments) REQUIRE(journal->recycle(read_to_end(queue, name)));
  CHECK(queue.names(queue.layout.pool()).size() == 2);
}

TEST_CASE("notes about segments that are no more are dropped at start") {
  Queue queue(1);
  {
    auto journal = queue.open();
    journal->arrived(queue.places[0]);
    journal->removed(queue.places[0]);
    REQUIRE(journal->flush());
  }
  REQUIRE(os::system_files().unlink(queue.layout.segment(queue.places[0].segment)));
  auto journal = queue.open();
  CHECK_FALSE(journal->gone(queue.places[0]));
}
