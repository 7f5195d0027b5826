#include "lib/queue/segment.h"

#include <catch2/catch.hpp>
#include <set>

#include "tests/unit/queue/journal_fixture.h"

using namespace postrider;
using namespace postrider::queue;
using namespace postrider::queue::test;

namespace {

std::vector<Letter> letters(QueueDirectory& queue, unsigned count, std::size_t bytes) {
  std::vector<Letter> made;
  for (unsigned i = 0; i < count; ++i)
    made.emplace_back(queue.envelope(i), std::string(bytes, static_cast<char>('a' + i % 26)));
  return made;
}

std::vector<PendingRecord> records(const std::vector<Letter>& letters) {
  std::vector<PendingRecord> all;
  for (const Letter& letter : letters) all.push_back(letter.record());
  return all;
}

// Commits the letters, one batch each, and returns the places.
std::vector<Place> commit_each(SegmentWriter& writer, const std::vector<Letter>& letters) {
  std::vector<Place> places;
  for (const Letter& letter : letters) {
    const PendingRecord one = letter.record();
    auto results = writer.commit({&one, 1});
    REQUIRE(results.size() == 1);
    REQUIRE(results[0]);
    places.push_back(*results[0]);
  }
  return places;
}

}  // namespace

TEST_CASE("a batch is read back message by message, at its places and by scanning") {
  QueueDirectory queue;
  const auto mail = letters(queue, 5, 1000);
  auto writer = queue.writer(os::system_files());
  const auto results = writer.commit(records(mail));
  REQUIRE(results.size() == 5);
  QueueReader reader(os::system_files(), queue.layout);
  for (std::size_t i = 0; i < mail.size(); ++i) {
    REQUIRE(results[i]);
    const auto message = reader.read(*results[i]);
    REQUIRE(message);
    CHECK(message->envelope == mail[i].envelope);
    CHECK(content_of(message->content) == mail[i].content);
    CHECK(reader.read_envelope(*results[i])->id == mail[i].envelope.id);
  }
  const auto found = scan_all(os::system_files(), queue.layout, results[0]->segment);
  REQUIRE(found.size() == 5);
  CHECK(found[4].place == *results[4]);
}

TEST_CASE("a batch never touches a page that was acknowledged before") {
  QueueDirectory queue;
  auto writer = queue.writer(os::system_files());
  for (const Place& place : commit_each(writer, letters(queue, 4, 100)))
    CHECK(place.offset % page_bytes == 0);
}

TEST_CASE("a full segment is followed by the next, in one batch too") {
  QueueDirectory queue;
  const auto mail = letters(queue, 100, 3000);
  auto writer = queue.writer(os::system_files());
  const auto results = writer.commit(records(mail));
  std::set<SegmentName> used;
  QueueReader reader(os::system_files(), queue.layout);
  for (std::size_t i = 0; i < mail.size(); ++i) {
    REQUIRE(results[i]);
    used.insert(results[i]->segment);
    CHECK(content_of(reader.read(*results[i])->content) == mail[i].content);
  }
  CHECK(used.size() == 6);
}

TEST_CASE("a record larger than a segment gets a segment of its own size") {
  QueueDirectory queue;
  auto writer = queue.writer(os::system_files());
  const Letter big(queue.envelope(1), std::string(5 * small_segment, 'x'));
  const PendingRecord one = big.record();
  const auto results = writer.commit({&one, 1});
  REQUIRE(results[0]);
  QueueReader reader(os::system_files(), queue.layout);
  CHECK(content_of(reader.read(*results[0])->content) == big.content);
}

TEST_CASE("a record torn at any byte is cut off and those before it stand") {
  QueueDirectory queue;
  auto writer = queue.writer(os::system_files());
  const auto mail = letters(queue, 2, 300);
  const auto results = writer.commit(records(mail));  // one batch: they are neighbours
  REQUIRE(results[1]);
  const std::string path = queue.layout.segment(results[0]->segment);
  const std::string whole = file_bytes(path);
  const std::size_t start = results[1]->offset;
  const std::size_t length = record_header_bytes + mail[1].encoded.size() + mail[1].content.size();
  for (std::size_t kept = 0; kept < length; ++kept) {
    overwrite(path, std::string_view(whole).substr(start, kept), start);
    overwrite(path, std::string(length - kept, '\0'), start + kept);
    const auto found = scan_all(os::system_files(), queue.layout, results[0]->segment);
    REQUIRE(found.size() == 1);
    CHECK(found[0].envelope.id == mail[0].envelope.id);
    QueueReader reader(os::system_files(), queue.layout);
    CHECK_FALSE(reader.read(*results[1]));
  }
}

TEST_CASE("a record damaged in the middle is reported and the later ones are still found") {
  QueueDirectory queue;
  auto writer = queue.writer(os::system_files());
  const auto mail = letters(queue, 3, 200);
  const auto results = writer.commit(records(mail));
  const std::string path = queue.layout.segment(results[0]->segment);
  const std::string whole = file_bytes(path);
  const std::size_t length = results[2]->offset - results[1]->offset;
  const std::size_t padding = length - record_header_bytes - mail[1].encoded.size() - mail[1].content.size();
  for (std::size_t at = 0; at < length - padding; ++at) {
    const char flipped = static_cast<char>(whole[results[1]->offset + at] ^ 0x10);
    overwrite(path, std::string_view(&flipped, 1), results[1]->offset + at);
    const auto found = scan_all(os::system_files(), queue.layout, results[0]->segment);
    REQUIRE(found.size() == 3);
    CHECK_FALSE(found[0].damaged);
    CHECK(found[1].damaged);
    CHECK(found[1].place == *results[1]);
    CHECK(found[1].record_bytes == length);
    CHECK_FALSE(found[1].trouble.empty());
    CHECK_FALSE(found[2].damaged);
    overwrite(path, std::string_view(whole).substr(results[1]->offset + at, 1), results[1]->offset + at);
  }
}

TEST_CASE("the torn tail is reported to those who ask") {
  QueueDirectory queue;
  auto writer = queue.writer(os::system_files());
  const auto mail = letters(queue, 1, 200);
  const auto places = commit_each(writer, mail);
  overwrite(queue.layout.segment(places[0].segment), "?", places[0].offset + 150);
  CHECK(scan_all(os::system_files(), queue.layout, places[0].segment).empty());
  const auto found = scan_all(os::system_files(), queue.layout, places[0].segment, true);
  REQUIRE(found.size() == 1);
  CHECK(found[0].damaged);
  CHECK(found[0].envelope.id == mail[0].envelope.id);
}

TEST_CASE("a whole page lost between two batches hides neither") {
  QueueDirectory queue;
  auto writer = queue.writer(os::system_files());
  const auto places = commit_each(writer, letters(queue, 3, 200));
  overwrite(queue.layout.segment(places[0].segment), std::string(page_bytes, '\0'), places[1].offset);
  const auto found = scan_all(os::system_files(), queue.layout, places[0].segment);
  REQUIRE(found.size() == 3);
  CHECK(found[1].damaged);
  CHECK(found[2].place == places[2]);
}

TEST_CASE("records of a segment's former life are never found in its next one") {
  QueueDirectory queue;
  SegmentName first;
  {
    auto writer = queue.writer(os::system_files());
    first = commit_each(writer, letters(queue, 10, 300)).front().segment;
  }
  // As recycling leaves it: header void, moved to the pool.
  overwrite(queue.layout.segment(first), encode(SegmentHeader{{}, 0, small_segment}), 0);
  REQUIRE(
      os::system_files().rename(queue.layout.segment(first), queue.layout.pool() + "/free." + first.text()));
  queue.clock.advance(Seconds(5));
  auto writer = queue.writer(os::system_files());
  const Letter letter(queue.envelope(99), "new life");
  const PendingRecord one = letter.record();
  const auto results = writer.commit({&one, 1});
  REQUIRE(results[0]);
  CHECK(queue.names(queue.layout.pool()).empty());  // it was used again
  const auto found = scan_all(os::system_files(), queue.layout, results[0]->segment, true);
  REQUIRE(found.size() == 1);
  CHECK(found[0].envelope == letter.envelope);
}

TEST_CASE("a message whose text is a perfect record is not taken for one") {
  QueueDirectory queue;
  const Letter forged(queue.envelope(7), "forged");
  RecordHeader header;
  header.id = forged.envelope.id;
  header.secret = 0x1234;  // cannot be known
  header.envelope_bytes = static_cast<std::uint32_t>(forged.encoded.size());
  header.content_bytes = forged.content.size();
  header.envelope_checksum = crc32c(forged.encoded);
  header.content_checksum = crc32c(forged.content);
  std::string record;
  encode(header, record);
  record += forged.encoded + forged.content;
  std::string text;
  for (int shift = 0; shift < 8; ++shift) text += std::string(1, 'x') + record;
  const Letter carrier(queue.envelope(1), text);
  const Letter after(queue.envelope(2), "after");
  auto writer = queue.writer(os::system_files());
  const std::vector<PendingRecord> batch{carrier.record(), after.record()};
  const auto results = writer.commit(batch);
  // Break the carrier's header, so that the scan has to look inside it.
  overwrite(queue.layout.segment(results[0]->segment), "????????", results[0]->offset);
  const auto found = scan_all(os::system_files(), queue.layout, results[0]->segment, true);
  REQUIRE(found.size() == 2);
  CHECK(found[0].damaged);
  CHECK_FALSE(found[0].envelope.id);
  CHECK(found[1].envelope.id == after.envelope.id);
}

TEST_CASE("a segment that was cut off still yields what is left of it") {
  QueueDirectory queue;
  auto writer = queue.writer(os::system_files());
  const auto places = commit_each(writer, letters(queue, 3, 200));
  const std::string path = queue.layout.segment(places[0].segment);
  auto fd = os::system_files().open(path, 2);
  REQUIRE(os::system_files().truncate(fd->get(), places[2].offset + 20));
  CHECK(scan_all(os::system_files(), queue.layout, places[0].segment).size() == 2);
  QueueReader reader(os::system_files(), queue.layout);
  CHECK_FALSE(reader.read(places[2]));
  REQUIRE(os::system_files().truncate(fd->get(), 30));
  CHECK(scan_all(os::system_files(), queue.layout, places[0].segment).empty());
}

TEST_CASE("a scan of a live segment goes on where it ended") {
  QueueDirectory queue;
  auto writer = queue.writer(os::system_files());
  const auto mail = letters(queue, 4, 200);
  const auto first = commit_each(writer, {mail.begin(), mail.begin() + 2});
  QueueReader reader(os::system_files(), queue.layout);
  auto scan = reader.scan(first[0].segment);
  while (*scan->next()) {
  }
  const auto later = commit_each(writer, {mail.begin() + 2, mail.end()});
  auto again = reader.scan(first[0].segment, scan->end());
  auto found = again->next();
  REQUIRE(*found);
  CHECK((*found)->place == later[0]);
}

TEST_CASE("the unwritten rest of a large segment is not read by a scan") {
  QueueDirectory queue;
  os::test::FaultyFiles files;
  SegmentWriter writer(os::system_files(), queue.clock, queue.log, queue.layout, 0, 64U << 20, 0);
  const auto places = commit_each(writer, letters(queue, 1, 200));
  QueueReader reader(files, queue.layout);
  auto scan = reader.scan(places[0].segment);
  REQUIRE(scan);
  const std::size_t before = files.calls("pread");
  REQUIRE(*scan->next());
  CHECK_FALSE(*scan->next());
  CHECK(scan->read_whole());
  CHECK(files.calls("pread") - before <= 3);
}

TEST_CASE("whatever call fails, an acknowledged message is there and the writer recovers") {
  for (const int os_error : {EIO, ENOSPC, EMFILE}) {
    for (std::size_t k = 1;; ++k) {
      QueueDirectory queue;
      os::test::FaultyFiles files;
      std::set<std::string> acknowledged;
      {
        auto writer = queue.writer(files);
        files.fail_call(k, os_error, {}, true);
        const auto mail = letters(queue, 12, 9000);  // fills more than one segment
        for (std::size_t i = 0; i < mail.size(); i += 3) {
          const std::vector<PendingRecord> batch{mail[i].record(), mail[i + 1].record(),
                                                 mail[i + 2].record()};
          const auto results = writer.commit(batch);
          REQUIRE(results.size() == 3);
          for (std::size_t j = 0; j < 3; ++j)
            if (results[j]) acknowledged.insert(mail[i + j].envelope.id.text());
          writer.prepare_spare();
        }
        files.heal();
        const Letter last(queue.envelope(500), "after the trouble");
        const PendingRecord one = last.record();
        const auto results = writer.commit({&one, 1});
        REQUIRE(results[0]);
        acknowledged.insert(last.envelope.id.text());
        CHECK(acknowledged.size() >= 10);  // one failure costs one batch at most
      }
      std::set<std::string> found;
      for (const SegmentName name : queue.segments())
        for (const Found& record : scan_all(os::system_files(), queue.layout, name))
          if (!record.damaged) found.insert(record.envelope.id.text());
      for (const std::string& id : acknowledged) CHECK(found.contains(id));
      if (!files.failed()) break;
      REQUIRE(k < 200);
    }
  }
}

TEST_CASE("a sync that failed is never repeated into an acknowledgement") {
  QueueDirectory queue;
  os::test::FaultyFiles files;
  auto writer = queue.writer(files);
  const auto mail = letters(queue, 3, 100);
  const PendingRecord first = mail[0].record(), second = mail[1].record();
  REQUIRE(writer.commit({&first, 1})[0]);
  const SegmentName before = queue.segments().front();
  files.fail_call(1, EIO, "fdatasync");
  const auto failed = writer.commit({&second, 1});
  REQUIRE_FALSE(failed[0]);
  CHECK(failed[0].error().is(Trouble::temporary));
  const auto again = writer.commit({&second, 1});
  REQUIRE(again[0]);
  CHECK_FALSE(again[0]->segment == before);
  CHECK(queue.log.contains("given up"));
}

TEST_CASE("a full disk is no_space for as long as it lasts") {
  QueueDirectory queue;
  os::test::FaultyFiles files;
  auto writer = queue.writer(files);
  files.fail_from(1, ENOSPC, "allocate");
  const Letter letter(queue.envelope(1), "text");
  const PendingRecord one = letter.record();
  for (int i = 0; i < 3; ++i) {
    const auto results = writer.commit({&one, 1});
    REQUIRE_FALSE(results[0]);
    CHECK(results[0].error().is(Trouble::no_space));
  }
  CHECK(queue.names(queue.layout.pool()).empty());
  CHECK(queue.segments().empty());
  files.heal();
  CHECK(writer.commit({&one, 1})[0]);
}

TEST_CASE("an unused segment goes back to the pool, a claimed name in the pool is no trap") {
  QueueDirectory queue;
  {
    auto writer = queue.writer(os::system_files());
    writer.prepare_spare();
  }
  REQUIRE(queue.names(queue.layout.pool()).size() == 1);
  // A crash may leave a live segment under a second name in the pool.
  auto writer = queue.writer(os::system_files());
  const auto places = commit_each(writer, letters(queue, 1, 100));
  REQUIRE(
      os::system_files().link(queue.layout.segment(places[0].segment), queue.layout.pool() + "/free.again"));
  auto other = queue.writer(os::system_files(), 1);
  const Letter letter(queue.envelope(50), "other");
  const PendingRecord one = letter.record();
  const auto results = other.commit({&one, 1});
  REQUIRE(results[0]);
  CHECK(scan_all(os::system_files(), queue.layout, places[0].segment).size() == 1);
}
