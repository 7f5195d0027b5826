#include "lib/queue/spill.h"

#include <array>
#include <catch2/catch.hpp>
#include <set>

#include "lib/queue/deferred_index.h"
#include "lib/queue/spill_format.h"
#include "tests/unit/queue/journal_fixture.h"

using namespace postrider;
using namespace postrider::queue;
using namespace postrider::queue::test;

namespace {

struct Shelves : QueueDirectory {
  SpillStore store{os::system_files(), layout};
  WallTime due = clock.wall() + Seconds(300);

  Message message(unsigned number, const std::string& text) {
    Message m;
    m.envelope = envelope(number);
    m.envelope.size = text.size();
    m.envelope.recipients.resize(3);
    for (Recipient& r : m.envelope.recipients) r.address = "someone@example.com";
    const std::array<std::string_view, 1> parts{text};
    m.content.fd = os::memory_file("test", parts).value();
    m.content.length = text.size();
    m.content_checksum = crc32c(text);
    return m;
  }
  std::string path(QueueId id, Shelf shelf = Shelf::deferred) { return layout.spilled(shelf, id); }
};

}  // namespace

TEST_CASE("a spilled message is one file that holds all of it") {
  Shelves shelves;
  for (const std::size_t size : {0U, 1U, 7U, 4096U, 300'001U}) {
    const std::string text(size, 'q');
    const Message m = shelves.message(static_cast<unsigned>(size), text);
    REQUIRE(shelves.store.put(Shelf::deferred, m, shelves.due));
    const auto back = shelves.store.read(Shelf::deferred, m.envelope.id, true);
    REQUIRE(back);
    CHECK(back->envelope == m.envelope);
    CHECK(content_of(back->content) == text);
    CHECK(back->next_attempt == shelves.due);
    CHECK(shelves.store.find(m.envelope.id) == Shelf::deferred);
  }
}

TEST_CASE("a content file becomes the spilled file without being copied") {
  Shelves shelves;
  Message m = shelves.message(1, "");
  const std::string text(10'000, 'c');
  const std::string source = shelves.layout.content(m.envelope.id);
  REQUIRE(os::replace_file(os::system_files(), source, std::string(content_offset, '\0') + text, 0600));
  m.content.fd = os::system_files().open(source, 0).value();
  m.content.offset = content_offset;
  m.content.length = text.size();
  m.content_checksum = crc32c(text);
  m.in_content_file = true;
  const auto before = os::system_files().lstat(source);
  REQUIRE(shelves.store.put(Shelf::hold, m, shelves.due));
  CHECK(os::system_files().lstat(shelves.path(m.envelope.id, Shelf::hold))->inode == before->inode);
  CHECK_FALSE(os::system_files().lstat(source));
  CHECK(content_of(shelves.store.read(Shelf::hold, m.envelope.id, true)->content) == text);
}

TEST_CASE("whatever call fails while spilling, the message is whole somewhere") {
  for (const bool in_file : {false, true})
    for (std::size_t k = 1;; ++k) {
      Shelves shelves;
      os::test::FaultyFiles files;
      SpillStore store(files, shelves.layout);
      const std::string text(9000, 'f');
      Message m = shelves.message(1, text);
      const std::string source = shelves.layout.content(m.envelope.id);
      if (in_file) {
        REQUIRE(os::replace_file(os::system_files(), source, std::string(content_offset, '\0') + text, 0600));
        m.content.fd = os::system_files().open(source, 0).value();
        m.content.offset = content_offset;
        m.in_content_file = true;
      }
      files.fail_call(k, ENOSPC, {}, true);
      const auto put = store.put(Shelf::deferred, m, shelves.due);
      if (!put) CHECK(put.error().is(Trouble::no_space));
      if (!put) {
        // A second copy would be delivered again at the next start.
        CHECK_FALSE(shelves.store.exists(Shelf::deferred, m.envelope.id));
        CHECK(content_of(m.content) == text);  // the journal's copy serves on
        if (in_file) CHECK(os::system_files().lstat(source));
        REQUIRE(store.put(Shelf::deferred, m, shelves.due));
      }
      const auto back = shelves.store.read(Shelf::deferred, m.envelope.id, true);
      REQUIRE(back);
      CHECK(back->envelope == m.envelope);
      CHECK(shelves.names(shelves.layout.shelf(Shelf::deferred) + "/0").size() == 1);
      if (!files.failed()) break;
      REQUIRE(k < 100);
    }
}

TEST_CASE("recipients change state by appended blocks, and a torn one is as if never written") {
  Shelves shelves;
  Message m = shelves.message(1, "text of it");
  const QueueId id = m.envelope.id;
  REQUIRE(shelves.store.put(Shelf::deferred, m, shelves.due));
  const std::string path = shelves.path(id);
  Envelope first = m.envelope;
  first.recipients[1].status = RecipientStatus::delivered;
  first.recipients[0].attempts = 1;
  first.recipients[0].reason = "timed out";
  first.recipients[0].dsn = "4.4.1";
  REQUIRE(shelves.store.update(Shelf::deferred, m.envelope, first, shelves.due + Seconds(10), Sync::now));
  auto back = shelves.store.read(Shelf::deferred, id);
  REQUIRE(back);
  CHECK(back->envelope == first);
  CHECK(back->next_attempt == shelves.due + Seconds(10));
  const std::string after_first = file_bytes(path);

  Envelope second = first;
  second.recipients[0].status = RecipientStatus::bounced;
  second.flags |= flag::warned;
  REQUIRE(shelves.store.update(Shelf::deferred, first, second, shelves.due, Sync::later));
  const std::string after_second = file_bytes(path);
  CHECK(shelves.store.read(Shelf::deferred, id)->envelope == second);
  const std::size_t block = after_second.size() - after_first.size();
  for (std::size_t kept = 0; kept + 7 < block; ++kept) {  // seven: the block's padding
    REQUIRE(
        os::replace_file(os::system_files(), path, after_second.substr(0, after_first.size() + kept), 0600));
    back = shelves.store.read(Shelf::deferred, id);
    REQUIRE(back);
    CHECK(back->envelope == first);
    CHECK(back->torn_status == (kept > 0));
  }
  // The next update begins where the last valid block ended.
  REQUIRE(shelves.store.update(Shelf::deferred, first, second, shelves.due, Sync::now));
  CHECK(file_bytes(path) == after_second);
}

TEST_CASE("a file whose status blocks outgrew the message is rewritten") {
  Shelves shelves;
  Message m = shelves.message(1, "short");
  REQUIRE(shelves.store.put(Shelf::deferred, m, shelves.due));
  Envelope now = m.envelope;
  for (int i = 0; i < 300; ++i) {
    const Envelope before = now;
    now.recipients[0].reason = std::string(1000, 'r') + std::to_string(i);
    REQUIRE(shelves.store.update(Shelf::deferred, before, now, shelves.due, Sync::later));
  }
  CHECK(file_bytes(shelves.path(now.id)).size() < 90'000);
  const auto back = shelves.store.read(Shelf::deferred, now.id, true);
  REQUIRE(back);
  CHECK(back->envelope == now);
  CHECK(content_of(back->content) == "short");
}

TEST_CASE("a damaged or cut off file is refused, wherever the damage is") {
  Shelves shelves;
  const Message m = shelves.message(1, "0123456789");
  const QueueId id = m.envelope.id;
  REQUIRE(shelves.store.put(Shelf::deferred, m, shelves.due));
  const std::string path = shelves.path(id);
  const std::string whole = file_bytes(path);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    if (at == spill_header_bytes) at = content_offset;  // the rest of page 0 is not looked at
    std::string bad = whole;
    bad[at] = static_cast<char>(bad[at] ^ 4);
    REQUIRE(os::replace_file(os::system_files(), path, bad, 0600));
    const auto back = shelves.store.read(Shelf::deferred, id, true);
    if (back) {
      CHECK(back->envelope == m.envelope);  // padding
    } else {
      CHECK(back.error().is(Trouble::permanent));
    }
    REQUIRE(os::replace_file(os::system_files(), path, whole.substr(0, at), 0600));
    const auto cut = shelves.store.read(Shelf::deferred, id, true);
    if (cut) CHECK(cut->envelope == m.envelope);
  }
}

TEST_CASE("messages move between the shelves and never over one another") {
  Shelves shelves;
  const Message m = shelves.message(1, "text");
  const QueueId id = m.envelope.id;
  REQUIRE(shelves.store.put(Shelf::deferred, m, shelves.due));
  REQUIRE(shelves.store.move(id, Shelf::deferred, Shelf::hold, shelves.clock.wall()));
  CHECK(shelves.store.find(id) == Shelf::hold);
  REQUIRE(shelves.store.put(Shelf::deferred, m, shelves.due));
  const auto refused = shelves.store.move(id, Shelf::deferred, Shelf::hold, shelves.due);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().is(Trouble::permanent));
  REQUIRE(shelves.store.remove(Shelf::hold, id));
  CHECK(shelves.store.remove(Shelf::hold, id).error().is(Trouble::not_found));
}

TEST_CASE("a second message of the same id does not replace the first") {
  Shelves shelves;
  const Message first = shelves.message(1, "first");
  Message second = shelves.message(1, "second");
  second.envelope.sender = "someone.else@example.net";
  REQUIRE(shelves.store.put(Shelf::deferred, first, shelves.due));
  const auto refused = shelves.store.put(Shelf::deferred, second, shelves.due);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().is(Trouble::permanent));
  CHECK(content_of(shelves.store.read(Shelf::deferred, first.envelope.id)->content) == "first");
  CHECK(shelves.store.put(Shelf::deferred, first, shelves.due));
}

TEST_CASE("listing a shelf passes by what is no message") {
  Shelves shelves;
  std::set<std::uint64_t> made;
  for (unsigned i = 0; i < 40; ++i) {
    Message m = shelves.message(i * 60'000, "text");
    made.insert(m.envelope.id.value());
    REQUIRE(shelves.store.put(Shelf::deferred, m, shelves.due));
  }
  for (const char* name : {"/0/.unfinished", "/0/README", "/0/0123"})
    REQUIRE(os::replace_file(os::system_files(), shelves.layout.shelf(Shelf::deferred) + name, "x", 0600));
  std::set<std::uint64_t> found;
  REQUIRE(shelves.store.list(Shelf::deferred, [&](QueueId id) { return found.insert(id.value()).second; }));
  CHECK(found == made);
}

TEST_CASE("damaged bytes are kept under plain names only") {
  Shelves shelves;
  CHECK(shelves.store.keep_damaged("record.1", "bytes"));
  CHECK_FALSE(shelves.store.keep_damaged("../escape", "bytes"));
  CHECK_FALSE(shelves.store.keep_damaged("", "bytes"));
}

TEST_CASE("the deferred index gives out what is due, oldest first") {
  ManualClock clock;
  DeferredIndex index;
  const WallTime now = clock.wall();
  std::vector<QueueId> ids;
  for (unsigned i = 0; i < 100; ++i) {
    ids.push_back(QueueId::make_short(now + Microseconds(i), 1));
    index.add(ids.back(), now + Seconds((i * 37) % 100));
  }
  CHECK(index.next_due() == std::chrono::floor<Seconds>(now));
  std::size_t taken = 0;
  while (index.take_due(now + Seconds(49))) ++taken;
  CHECK(taken == 50);
  index.make_all_due();
  while (index.take_due(now)) ++taken;
  CHECK(taken == 100);
  CHECK_FALSE(index.next_due());
}

TEST_CASE("deferred files are indexed in steps, times from the future clamped") {
  Shelves shelves;
  for (unsigned i = 0; i < 30; ++i) {
    const Message m = shelves.message(i * 33'000, "text");
    REQUIRE(shelves.store.put(Shelf::deferred, m, i == 7 ? shelves.due + Seconds(1'000'000) : shelves.due));
  }
  DeferredIndex index;
  DeferredScan scan(os::system_files(), shelves.layout, shelves.due + Seconds(60));
  int steps = 0;
  while (*scan.step(index, 4)) ++steps;
  CHECK(steps >= 7);
  CHECK(scan.found() == 30);
  std::size_t due = 0;
  while (index.take_due(shelves.due)) ++due;
  CHECK(due == 29);
  CHECK(index.take_due(shelves.due + Seconds(60)));
}

TEST_CASE("a deferred directory that could not be read is read when it can be") {
  Shelves shelves;
  for (unsigned i = 0; i < 30; ++i)
    REQUIRE(shelves.store.put(Shelf::deferred, shelves.message(i * 33'000, "text"), shelves.due));
  os::test::FaultyFiles files;
  DeferredIndex index;
  DeferredScan scan(files, shelves.layout, shelves.due + Seconds(60));
  files.fail_call(3, EMFILE, "list");
  int errors = 0;
  const auto to_the_end = [&] {
    for (Result<bool> more = true; !more || *more; more = scan.step(index, 4)) errors += more ? 0 : 1;
  };
  to_the_end();
  CHECK(errors == 1);
  CHECK(scan.found() < 30);
  REQUIRE(scan.retry());
  to_the_end();
  CHECK(errors == 1);
  CHECK(scan.found() == 30);
  CHECK_FALSE(scan.retry());
}

TEST_CASE("a deferred file whose time cannot be read is due") {
  Shelves shelves;
  REQUIRE(shelves.store.put(Shelf::deferred, shelves.message(1, "text"), shelves.due + Seconds(30)));
  os::test::FaultyFiles files;
  DeferredIndex index;
  DeferredScan scan(files, shelves.layout, shelves.due + Seconds(60));
  files.fail_call(1, EIO, "lstat");
  while (*scan.step(index, 4)) {
  }
  CHECK(index.take_due(shelves.due));
}

TEST_CASE("after the clock was set back no message sleeps longer than the longest back-off") {
  ManualClock clock;
  DeferredIndex index;
  const WallTime now = clock.wall();
  for (unsigned i = 0; i < 50; ++i)
    index.add(QueueId::make_short(now + Microseconds(i), 1), now + Seconds(i * 100));
  clock.set_wall(now - Seconds(3600));
  index.clamp(clock.wall() + Seconds(4000));
  CHECK_FALSE(index.take_due(clock.wall()));
  std::size_t taken = 0;
  while (index.take_due(clock.wall() + Seconds(3999))) ++taken;
  CHECK(taken == 4);
  while (index.take_due(clock.wall() + Seconds(4000))) ++taken;
  CHECK(taken == 50);
}
