#include "lib/queue/journal_writer.h"

#include <catch2/catch.hpp>
#include <map>
#include <semaphore>

#include "lib/queue/slot.h"
#include "tests/unit/queue/journal_fixture.h"

using namespace postrider;
using namespace postrider::queue;
using namespace postrider::queue::test;

namespace {

struct Journal {
  QueueDirectory queue;
  std::counting_semaphore<100000> woken{0};
  std::unique_ptr<JournalWriter> writer;
  std::map<std::uint64_t, Result<Place>> outcomes;

  explicit Journal(JournalOptions options = {.segment_bytes = small_segment, .content_threshold = 8192}) {
    auto opened = JournalWriter::open(os::system_files(), queue.clock, queue.log, queue.layout, options,
                                      [this] { woken.release(); });
    REQUIRE(opened);
    writer = std::move(*opened);
  }
  Envelope submit(std::uint64_t token, const std::string& text) {
    Envelope envelope = queue.envelope(0);
    envelope.id = writer->next_id();
    ContentBuffer content = writer->new_content(envelope.id);
    for (std::size_t at = 0; at < text.size(); at += 1000)
      REQUIRE(content.append(std::string_view(text).substr(at, 1000)));
    writer->submit(token, envelope, std::move(content));
    return envelope;
  }
  void wait_for(std::size_t count) {
    while (outcomes.size() < count) {
      woken.acquire();
      for (auto& completion : writer->drain())
        outcomes.emplace(completion.token, std::move(completion.outcome));
    }
  }
};

}  // namespace

TEST_CASE("everything submitted completes once, with its place") {
  Journal journal;
  std::map<std::uint64_t, Envelope> sent;
  for (std::uint64_t token = 0; token < 500; ++token)
    sent[token] = journal.submit(token, "message " + std::to_string(token));
  journal.wait_for(500);
  QueueReader reader(os::system_files(), journal.queue.layout);
  for (const auto& [token, outcome] : journal.outcomes) {
    REQUIRE(outcome);
    const auto message = reader.read(*outcome);
    REQUIRE(message);
    CHECK(message->envelope == sent[token]);
    CHECK(content_of(message->content) == "message " + std::to_string(token));
  }
  const auto counters = journal.writer->counters();
  CHECK(counters.messages == 500);
  CHECK(counters.batches < 500);
  CHECK(journal.writer->pending() == 0);
  CHECK(journal.writer->pending_bytes() == 0);
}

TEST_CASE("content above the threshold has a file of its own") {
  Journal journal;
  const std::string text(100'000, 'L');
  const Envelope sent = journal.submit(1, text);
  CHECK(sent.size == text.size());
  journal.wait_for(1);
  REQUIRE(journal.outcomes.at(1));
  QueueReader reader(os::system_files(), journal.queue.layout);
  const auto message = reader.read(*journal.outcomes.at(1));
  REQUIRE(message);
  CHECK(message->in_content_file);
  CHECK(content_of(message->content) == text);
  CHECK(os::system_files().lstat(journal.queue.layout.content(sent.id)));
  // Without its file the message cannot be given out as something shorter.
  REQUIRE(os::system_files().unlink(journal.queue.layout.content(sent.id)));
  const auto missing = reader.read(*journal.outcomes.at(1));
  REQUIRE_FALSE(missing);
  CHECK(missing.error().is(Trouble::permanent));
}

TEST_CASE("content that is never submitted leaves nothing behind") {
  Journal journal;
  const QueueId id = journal.writer->next_id();
  {
    ContentBuffer content = journal.writer->new_content(id);
    REQUIRE(content.append(std::string(50'000, 'x')));
    CHECK(content.in_file());
    CHECK(*content.read(49'999, 10) == "x");
  }
  CHECK_FALSE(os::system_files().lstat(journal.queue.layout.content(id)));
}

TEST_CASE("an envelope over its caps is refused through the same door") {
  Journal journal;
  Envelope envelope = journal.queue.envelope(0);
  envelope.id = journal.writer->next_id();
  envelope.sender = std::string(max_address_bytes + 1, 'a');
  journal.writer->submit(7, envelope, journal.writer->new_content(envelope.id));
  journal.wait_for(1);
  REQUIRE_FALSE(journal.outcomes.at(7));
  CHECK(journal.outcomes.at(7).error().is(Trouble::permanent));
}

TEST_CASE("a journal without its directory refuses, and recovers when it is back") {
  Journal journal;
  auto& files = os::system_files();
  REQUIRE(files.rename(journal.queue.layout.pool(), journal.queue.directory / "away"));
  journal.submit(1, "text");
  journal.wait_for(1);
  CHECK_FALSE(journal.outcomes.at(1));
  REQUIRE(files.rename(journal.queue.directory / "away", journal.queue.layout.pool()));
  journal.submit(2, "text");
  journal.wait_for(2);
  CHECK(journal.outcomes.at(2));
}

TEST_CASE("closing commits what was submitted and gives the slot back") {
  Journal journal;
  for (std::uint64_t token = 0; token < 20; ++token) journal.submit(token, std::string(token * 1000, 'z'));
  QueueReader reader(os::system_files(), journal.queue.layout);
  CHECK(reader.slot_in_use(journal.writer->slot()));
  journal.writer->close();
  for (auto& completion : journal.writer->drain()) CHECK(completion.outcome);
  CHECK(journal.writer->counters().messages == 20);
  CHECK(reader.slot_in_use(0));  // until the writer is gone
  journal.writer.reset();
  CHECK_FALSE(reader.slot_in_use(0));
}

TEST_CASE("processes take different slots and a successor's ids and serials go on") {
  QueueDirectory queue;
  auto& files = os::system_files();
  auto a = Slot::take(files, queue.layout);
  auto b = Slot::take(files, queue.layout);
  REQUIRE(a);
  REQUIRE(b);
  CHECK(a->number() == 0);
  CHECK(b->number() == 1);
  const WallTime reached = queue.clock.wall() + Seconds(100);
  a->note_id(reached);
  a->note_serial(12345);
  {
    const Slot gone = std::move(*a);
  }
  auto c = Slot::take(files, queue.layout);
  REQUIRE(c);
  CHECK(c->number() == 0);
  CHECK(c->ids_until() >= reached);
  CHECK(c->last_serial() == 12345);
  overwrite(queue.layout.slot(1), "garbage garbage garbage!", 0);
  {
    const Slot gone = std::move(*b);
  }
  auto d = Slot::take(files, queue.layout);
  REQUIRE(d);
  CHECK(d->last_serial() == 0);
}

TEST_CASE("the sixty-fifth writer is told to wait") {
  QueueDirectory queue;
  std::vector<Slot> taken;
  for (unsigned i = 0; i < slot_count; ++i)
    taken.push_back(std::move(*Slot::take(os::system_files(), queue.layout)));
  const auto refused = Slot::take(os::system_files(), queue.layout);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().is(Trouble::temporary));
}
