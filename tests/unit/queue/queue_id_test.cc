#include "lib/queue/queue_id.h"

#include <catch2/catch.hpp>
#include <set>

#include "lib/queue/layout.h"
#include "lib/queue/slot.h"
#include "tests/unit/os/faulty_files.h"
#include "tests/unit/queue/journal_fixture.h"

using namespace postrider;
using namespace postrider::queue;

namespace {
constexpr WallTime some_time{Microseconds{1'704'067'200'123'456}};
}

TEST_CASE("a short queue id is twelve upper-case hexadecimal digits") {
  const QueueId id = QueueId::make_short(some_time, 5);
  // 123456 µs = 0x1E240; 1704067200 mod 2^22 = 1172608, times 64 plus 5 = 0x47912005 & 28 bits
  CHECK(id.text() == fmt::format("{:05X}{:07X}", 123456, (1'704'067'200 % (1 << 22)) * 64 + 5));
  CHECK(id.text().size() == 12);
  CHECK(id.slot() == 5);
  CHECK_FALSE(id.is_long());
  CHECK(id.shelf_letter() == '1');
  CHECK(fmt::format("{}", id) == id.text());
}

TEST_CASE("a long queue id has Postfix's shape") {
  const QueueId id = QueueId::make_long(some_time, 63);
  const std::string text = id.text();
  REQUIRE(text.size() == max_queue_id_length);
  CHECK(text[10] == 'z');
  CHECK(text.find_first_of("AEIOUaeiou") == std::string::npos);
  CHECK(text.find('z', 11) == std::string::npos);
  CHECK(id.slot() == 63);
  CHECK(id.shelf_letter() == QueueId::make_short(some_time, 0).shelf_letter());
}

TEST_CASE("queue ids survive text and number, and nothing else parses") {
  for (const QueueId id : {QueueId::make_short(some_time, 0), QueueId::make_long(some_time, 33),
                           QueueId::make_short(WallTime{Microseconds{999'999}}, 63)}) {
    REQUIRE(QueueId::parse(id.text()));
    CHECK(*QueueId::parse(id.text()) == id);
    CHECK(*QueueId::from_value(id.value()) == id);
  }
  for (const char* bad :
       {"", "ABC", "1e2404791200", "1E24047912005", "../../../etc", "FFFFF0000000", "000000000000",
        "3XZ123zzzzz1000", "zzzzzzzzzzzz1000", "0123456789z000/", "1E240479120\n", "aaaaaaaaaaz1000"})
    CHECK_FALSE(QueueId::parse(bad));
  CHECK_FALSE(QueueId::from_value(0));
  CHECK_FALSE(QueueId::from_value(1ULL << 60));
}

TEST_CASE("ids of one process grow even when the clock stands still or goes back") {
  ManualClock clock;
  QueueIdSource source(clock, 9, false);
  std::set<std::string> seen;
  WallTime last{};
  for (int i = 0; i < 3000; ++i) {
    if (i == 1000) clock.set_wall(clock.wall() - Seconds(3600));
    CHECK(seen.insert(source.next().text()).second);
    CHECK(source.last() > last);
    last = source.last();
  }
  QueueIdSource after(clock, 9, false, last);
  CHECK(seen.insert(after.next().text()).second);
}

TEST_CASE("processes with different slots never make the same id") {
  ManualClock clock;
  QueueIdSource a(clock, 0, true), b(clock, 1, true);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    CHECK(seen.insert(a.next().value()).second);
    CHECK(seen.insert(b.next().value()).second);
  }
}

TEST_CASE("segment names have exactly one spelling") {
  const SegmentName name{0x5f2c9a8b01c40, 5};
  CHECK(name.text() == "seg.05.0005f2c9a8b01c40");
  CHECK(*SegmentName::parse(name.text()) == name);
  for (const char* bad : {"seg.5.0005f2c9a8b01c40", "seg.05.0005F2C9A8B01C40", "seg.64.0005f2c9a8b01c40",
                          "seg.05.0005f2c9a8b01c4", "seg.05-0005f2c9a8b01c40", "seg.+5.0005f2c9a8b01c40", ""})
    CHECK_FALSE(SegmentName::parse(bad));
}

TEST_CASE("a note of ids or serials that could not be written is written with the next") {
  test::QueueDirectory queue;
  os::test::FaultyFiles files(os::system_files());
  {
    auto slot = Slot::take(files, queue.layout);
    REQUIRE(slot);
    files.fail_from(1, ENOSPC, "pwrite");
    slot->note_id(some_time);
    slot->note_serial(7);
    files.heal();
    slot->note_id(some_time + Microseconds(1));
    slot->note_serial(8);
  }
  const auto next = Slot::take(files, queue.layout);
  REQUIRE(next);
  CHECK(next->ids_until() > some_time);
  CHECK(next->last_serial() == 8);
}
