#include "lib/queue/admin.h"

#include <unistd.h>
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>

#include "lib/queue/journal_writer.h"
#include "lib/queue/maildrop.h"
#include "lib/queue/outcome_journal.h"
#include "tests/unit/queue/journal_fixture.h"

using namespace postrider;
using namespace postrider::queue;
using namespace postrider::queue::test;

namespace {

struct Office : QueueDirectory {
  os::Files& files = os::system_files();
  SpillStore store{files, layout};
  QueueAdmin admin{files, clock, log, layout};
  Office() { REQUIRE(files.mkdir(layout.maildrop(), 0700)); }

  QueueId put(unsigned number, Shelf shelf = Shelf::deferred) {
    Message m;
    m.envelope = envelope(number);
    const std::array<std::string_view, 1> parts{"the text"};
    m.content.fd = os::memory_file("test", parts).value();
    m.content.length = parts[0].size();
    m.content_checksum = crc32c(parts[0]);
    REQUIRE(store.put(shelf, m, clock.wall() + Seconds(100)));
    return m.envelope.id;
  }
  std::vector<QueueAdmin::Problem> check(bool repair) {
    auto problems = admin.check(repair);
    REQUIRE(problems);
    return *problems;
  }
  // Everything repaired, and nothing left to say.
  void mends(std::size_t expected) {
    CHECK(check(false).size() == expected);
    const auto problems = check(true);
    CHECK(problems.size() == expected);
    for (const auto& problem : problems) {
      INFO(problem.path << ": " << problem.text);
      CHECK(problem.repaired);
    }
    CHECK(check(true).empty());
  }
};

}  // namespace

TEST_CASE("listing shows every message of a shelf and passes by damaged ones") {
  Office office;
  for (unsigned i = 0; i < 20; ++i) office.put(i * 50'000);
  const QueueId bad = office.put(3, Shelf::hold);
  office.put(4, Shelf::hold);
  overwrite(office.layout.spilled(Shelf::hold, bad), "?", 20);
  std::size_t deferred = 0, held = 0;
  REQUIRE(office.admin.list(Shelf::deferred, [&](const Listed& one) {
    CHECK(one.queue_name == "deferred");
    CHECK(one.envelope.recipients.size() == 1);
    return ++deferred < 15;
  }));
  REQUIRE(office.admin.list(Shelf::hold, [&](const Listed&) { return ++held > 0; }));
  CHECK(deferred == 15);
  CHECK(held == 1);
  CHECK(office.log.contains("header damaged"));
}

TEST_CASE("hold, release, expire and remove do what they say") {
  Office office;
  const QueueId id = office.put(1);
  REQUIRE(office.admin.hold(id));
  CHECK(office.store.find(id) == Shelf::hold);
  REQUIRE(office.admin.release(id));
  CHECK(office.store.find(id) == Shelf::deferred);
  CHECK(office.store.read(Shelf::deferred, id)->next_attempt == office.clock.wall());
  REQUIRE(office.admin.expire(id));
  CHECK(office.store.read(Shelf::deferred, id)->envelope.has(flag::expire));
  REQUIRE(office.admin.remove(id));
  CHECK_FALSE(office.store.find(id));
  CHECK(office.admin.remove(id).error().is(Trouble::not_found));
  CHECK(office.admin.expire(id).error().is(Trouble::not_found));
}

TEST_CASE("requeue hands the message to pickup with the recipients that are left") {
  Office office;
  const QueueId id = office.put(1);
  const Envelope before = office.store.read(Shelf::deferred, id)->envelope;
  REQUIRE(office.admin.requeue(id));
  CHECK_FALSE(office.store.find(id));
  const auto names = office.names(office.layout.maildrop());
  REQUIRE(names.size() == 1);
  const auto again = read_submission(office.files, office.layout.maildrop() + "/" + names[0], ::getuid());
  REQUIRE(again);
  CHECK(again->envelope.orig_queue_id == id.text());
  CHECK(again->envelope.sender == before.sender);
  CHECK(content_of(again->content) == "the text");
}

TEST_CASE("a healthy queue has no problems") {
  Office office;
  for (unsigned i = 0; i < 10; ++i) office.put(i * 90'000, i % 3 == 0 ? Shelf::hold : Shelf::deferred);
  CHECK(office.check(true).empty());
}

TEST_CASE("what a careless administrator does to a queue is found and mended") {
  Office office;
  const QueueId id = office.put(1), other = office.put(2), third = office.put(3);
  const std::string path = office.layout.spilled(Shelf::deferred, id);
  const std::string bytes = file_bytes(path);

  SECTION("a message copied in without its directory") {
    REQUIRE(office.files.rename(path, office.layout.shelf(Shelf::deferred) + "/" + id.text()));
    office.mends(1);
    CHECK(office.store.read(Shelf::deferred, id));
  }
  SECTION("a message under another name") {
    REQUIRE(office.files.rename(path, path + ".bak"));
    office.mends(1);
    CHECK(office.store.read(Shelf::deferred, id));
  }
  SECTION("a message in the wrong letter") {
    REQUIRE(office.files.rename(path, office.layout.shelf(Shelf::deferred) + "/7/" + id.text()));
    office.mends(1);
    CHECK(office.store.read(Shelf::deferred, id));
  }
  SECTION("the same message twice: the one on hold stays") {
    REQUIRE(os::replace_file(office.files, office.layout.spilled(Shelf::hold, id), bytes, 0600));
    REQUIRE(office.files.set_modified(office.layout.spilled(Shelf::hold, id), office.clock.wall()));
    office.mends(1);
    CHECK(office.store.find(id) == Shelf::hold);
    CHECK(office.names(office.layout.shelf(Shelf::corrupt)).size() == 1);
  }
  SECTION("a copy beside the original") {
    REQUIRE(os::replace_file(office.files, path + "~", bytes, 0600));
    office.mends(1);
    CHECK(office.store.read(Shelf::deferred, id));
  }
  SECTION("one message over another") {
    REQUIRE(os::replace_file(office.files, office.layout.spilled(Shelf::deferred, other), bytes, 0600));
    office.mends(1);
    CHECK(office.store.read(Shelf::deferred, id));
    CHECK_FALSE(office.store.exists(Shelf::deferred, other));
  }
  SECTION("a truncated file goes to corrupt") {
    REQUIRE(os::replace_file(office.files, path, bytes.substr(0, bytes.size() / 2), 0600));
    office.mends(1);
    CHECK(office.names(office.layout.shelf(Shelf::corrupt)) == std::vector{id.text()});
  }
  SECTION("damaged content goes to corrupt") {
    overwrite(path, "T", 4096);
    office.mends(1);
    CHECK(office.store.find(id) == Shelf::corrupt);
  }
  SECTION("something that is no message goes to corrupt") {
    REQUIRE(
        os::replace_file(office.files, office.layout.shelf(Shelf::hold) + "/notes.txt", "buy milk", 0600));
    office.mends(1);
    CHECK(office.names(office.layout.shelf(Shelf::corrupt)) == std::vector<std::string>{"notes.txt"});
  }
  SECTION("the wrong mode") {
    auto fd = office.files.open(path, 0);
    REQUIRE(office.files.chmod(fd->get(), 0644));
    office.mends(1);
  }
  SECTION("a next attempt in another year") {
    REQUIRE(office.files.set_modified(path, office.clock.wall() + Seconds(400 * 86400)));
    office.mends(1);
    CHECK(office.store.read(Shelf::deferred, id)->next_attempt == office.clock.wall());
  }
  SECTION("a message copied into a directory that is none of a message's") {
    const std::string directory = GENERATE("/incoming", "/incoming/pool", "/active", "/maildrop");
    REQUIRE(office.files.rename(path, office.layout.root() + directory + "/" + id.text()));
    office.mends(1);
    CHECK(office.store.read(Shelf::deferred, id));
  }
  SECTION("a copy in another directory goes to corrupt, the original stays") {
    const std::string directory = GENERATE("/incoming", "/active", "/maildrop");
    REQUIRE(os::replace_file(office.files, office.layout.root() + directory + "/" + id.text(), bytes, 0600));
    office.mends(1);
    CHECK(office.store.read(Shelf::deferred, id));
    CHECK(office.names(office.layout.shelf(Shelf::corrupt)) == std::vector{id.text()});
  }
  SECTION("something that is no file of the queue") {
    const std::string directory =
        GENERATE("/incoming", "/incoming/pool", "/active", "/maildrop", "/deferred/3");
    REQUIRE(
        os::replace_file(office.files, office.layout.root() + directory + "/notes.txt", "buy milk", 0600));
    office.mends(1);
    CHECK(office.names(office.layout.shelf(Shelf::corrupt)) == std::vector<std::string>{"notes.txt"});
  }
  SECTION("the wrong mode, of the journal's files too") {
    const std::string name = GENERATE("/active/lock", "/active/outcome.0000000000000001", "/incoming/slot.07",
                                      "/incoming/pool/free.x");
    REQUIRE(os::replace_file(office.files, office.layout.root() + name, "", 0644));
    office.mends(1);
  }
  CHECK(office.store.read(Shelf::deferred, third));
}

TEST_CASE("a submission that pickup cannot read is made readable, a damaged one is kept") {
  Office office;
  Envelope envelope;
  envelope.sender = "me@here.example";
  envelope.recipients.emplace_back().address = "you@there.example";
  auto writer = MaildropWriter::create(office.files, office.layout.maildrop(), envelope);
  REQUIRE(writer);
  REQUIRE(writer->append("text"));
  const std::string name = writer->commit().value();
  const std::string path = office.layout.maildrop() + "/" + name;
  CHECK(office.check(false).empty());
  SECTION("the mode") {
    auto fd = office.files.open(path, 0);
    REQUIRE(office.files.chmod(fd->get(), 0600));
    office.mends(1);
    CHECK(read_submission(office.files, path, 0));
  }
  SECTION("cut off") {
    auto fd = office.files.open(path, O_RDWR);
    REQUIRE(office.files.truncate(fd->get(), 50));
    office.mends(1);
    CHECK(office.names(office.layout.shelf(Shelf::corrupt)) == std::vector{name});
  }
}

TEST_CASE("a content file that was cut off is kept with its record") {
  Office office;
  JournalOptions options;
  options.content_threshold = 1000;
  auto opened = JournalWriter::open(office.files, office.clock, office.log, office.layout, options, [] {});
  REQUIRE(opened);
  JournalWriter& writer = **opened;
  Envelope envelope = office.envelope(1);
  envelope.id = writer.next_id();
  ContentBuffer content = writer.new_content(envelope.id);
  REQUIRE(content.append(std::string(5000, 'c')));
  writer.submit(1, envelope, std::move(content));
  writer.close();
  CHECK(office.check(false).empty());
  const std::string path = office.layout.content(envelope.id);
  auto fd = office.files.open(path, O_RDWR);
  REQUIRE(office.files.truncate(fd->get(), 4500));
  CHECK(office.check(true).size() == 1);
  CHECK(office.check(true).empty());
  CHECK(office.names(office.layout.shelf(Shelf::corrupt)).size() == 2);
}

TEST_CASE("a segment under another's name goes to corrupt") {
  Office office;
  auto writer = office.writer(office.files);
  const Letter letter(office.envelope(1), "text");
  const PendingRecord one = letter.record();
  const Place place = *writer.commit({&one, 1})[0];
  const SegmentName other{place.segment.serial + 1, place.segment.slot};
  REQUIRE(os::replace_file(office.files, office.layout.segment(other),
                           file_bytes(office.layout.segment(place.segment)), 0600));
  office.mends(1);
  CHECK(office.names(office.layout.shelf(Shelf::corrupt)) == std::vector{other.text()});
}

TEST_CASE("a damaged record is kept in corrupt and the segment left alone") {
  Office office;
  auto writer = office.writer(office.files);
  std::vector<Place> places;
  for (unsigned i = 0; i < 3; ++i) {
    const Letter letter(office.envelope(i), "text");
    const PendingRecord one = letter.record();
    places.push_back(*writer.commit({&one, 1})[0]);
  }
  overwrite(office.layout.segment(places[1].segment), "?", places[1].offset + 60);
  const auto problems = office.check(true);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].repaired);
  CHECK(office.names(office.layout.shelf(Shelf::corrupt)).size() == 1);

  std::size_t listed = 0;
  REQUIRE(office.admin.list_incoming([&](const Listed& one) {
    CHECK(one.queue_name == "incoming");
    return ++listed > 0;
  }));
  CHECK(listed == 2);
}

TEST_CASE("purging removes old leftovers and nothing else") {
  Office office;
  const auto leftover = [&](const std::string& path, Seconds age) {
    REQUIRE(os::replace_file(office.files, path, "x", 0600));
    REQUIRE(office.files.set_modified(path, office.clock.wall() - age));
  };
  leftover(office.layout.maildrop() + "/tabc", Seconds(7200));
  leftover(office.layout.maildrop() + "/tdef", Seconds(60));
  leftover(office.layout.maildrop() + "/m0123", Seconds(7200));
  leftover(office.layout.shelf(Shelf::deferred) + "/3/.0123", Seconds(7200));
  const QueueId orphan = office.envelope(1).id, young = office.envelope(2).id, used = office.envelope(3).id;
  leftover(office.layout.content(orphan), Seconds(2 * 86400));
  leftover(office.layout.content(young), Seconds(3600));
  leftover(office.layout.content(used), Seconds(2 * 86400));
  auto writer = office.writer(office.files);
  Letter letter(office.envelope(3), "");
  PendingRecord record = letter.record();
  record.in_content_file = true;
  record.content_bytes = 1;
  REQUIRE(writer.commit({&record, 1})[0]);

  auto purged = office.admin.purge(true);
  REQUIRE(purged);
  CHECK(purged->size() == 2);
  purged = office.admin.purge(false);
  REQUIRE(purged);
  REQUIRE(purged->size() == 1);
  CHECK(purged->front().path == "incoming/" + orphan.text() + ".content");
  CHECK(office.files.lstat(office.layout.content(used)));
  CHECK(office.files.lstat(office.layout.content(young)));
  CHECK(office.names(office.layout.maildrop()).size() == 2);
}
