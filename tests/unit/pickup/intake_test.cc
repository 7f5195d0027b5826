#include "pickup/intake.h"

#include <sys/socket.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <deque>

#include "lib/io/stream.h"
#include "tests/unit/pickup/site.h"

using namespace postrider;
using namespace postrider::pickup;
using test::Outcome;
using test::Site;

namespace {

std::string stream_of(const std::string& recipient, std::string_view content) {
  queue::Envelope e;
  e.sender = "ann@example.org";
  e.submitter_uid = 4242;  // nobody's business but the kernel's
  if (!recipient.empty()) e.recipients.emplace_back().address = recipient;
  std::string stream = queue::drop_piece(*queue::encode(e));
  for (; !content.empty(); content.remove_prefix(std::min<std::size_t>(content.size(), 50)))
    stream += queue::drop_piece(content.substr(0, 50));
  return stream + queue::drop_piece("");
}

// As the daemon does it.
event::Task<> serve(Site& site, os::Fd client) {
  try {
    co_await site.intake->serve(std::move(client));
  } catch (const io::Ended&) {
  }
}

// What pickup says to a client that sends `stream` and nothing more: "+" for its greeting, "++" when it took
// it.
std::string answer_to(Site& site, const std::string& stream) {
  auto ends = *os::socket_pair();
  site.scope->spawn(serve(site, std::move(ends.first)));
  const auto talk = [](Site& at, os::Fd client, std::string bytes) -> event::Task<std::string> {
    event::Loop& loop = at.daemon->loop();
    io::Stream peer(loop, std::move(client));
    std::string heard;
    try {
      co_await peer.write(bytes, loop.after(Seconds{10}));
      co_await peer.flush(loop.after(Seconds{10}));
      ::shutdown(peer.socket().get(), SHUT_WR);
      for (;;) {
        const std::string_view some = co_await peer.read_exactly(1, loop.after(Seconds{10}));
        heard += some;
      }
    } catch (const io::Ended& ended) {
      if (ended.why != io::Ended::Why::lost) heard += " and hung";
    }
    co_return heard;
  };
  return site.daemon->loop().run_until_done(talk(site, std::move(ends.second), stream));
}

}  // namespace

TEST_CASE("a small submission is answered once cleanup has it, under the uid the kernel names") {
  Site site;
  CHECK(answer_to(site, stream_of("bob@example.com", "Subject: x\n\nbody\n")) == "++");
  REQUIRE(site.taken.size() == 1);
  const auto& one = site.taken[0];
  CHECK(one.envelope.submitter_uid == ::getuid());
  CHECK(one.content.find("from userid " + std::to_string(::getuid())) != std::string::npos);
  CHECK(one.content.ends_with("\nSubject: x\n\nbody\n"));
  CHECK(one.origin == protocol::Submit::Origin::local);
  CHECK(site.count("maildrop") == 0);
}

TEST_CASE("a submission that cannot be queued now is left to prdrop") {
  Site site;
  for (const Outcome outcome : {Outcome::no_space, Outcome::temporary}) {
    site.answer = outcome;
    CHECK(answer_to(site, stream_of("bob@example.com", "text")) == "+");
  }
}

TEST_CASE("a submission that is refused for good goes back to its sender") {
  Site site;
  site.answer = Outcome::rejected;
  CHECK(answer_to(site, stream_of("bob@example.com", "text")) == "++");
  REQUIRE(site.bounced.size() == 1);
  CHECK(site.bounced[0].sender == "ann@example.org");
}

TEST_CASE("what is cut off, too large or no submission is not taken") {
  Site site;
  const std::string whole = stream_of("bob@example.com", std::string(300, 'x'));
  for (std::size_t length = 0; length < whole.size(); length += 7)
    CHECK(answer_to(site, whole.substr(0, length)) == "+");
  CHECK(answer_to(site, stream_of("bob@example.com", std::string(queue::max_direct, 'x'))) == "+");
  CHECK(answer_to(site, stream_of("", "text")) == "+");
  CHECK(answer_to(site, queue::drop_piece("no envelope") + queue::drop_piece("")) == "+");
  CHECK(answer_to(site, std::string("\xff\xff\xff\xff", 4)) == "+");
  CHECK(site.taken.empty());
  CHECK(answer_to(site, whole) == "++");
}

TEST_CASE("a message over message_size_limit is left to prdrop, which says so") {
  Site site;
  auto values = config::Values::load(site.directory.path(), {{"message_size_limit", "100", "test"}});
  REQUIRE(values);
  REQUIRE(config::load(*values, site.sections.all()));
  CHECK(answer_to(site, stream_of("bob@example.com", std::string(101, 'x'))) == "+");
  CHECK(answer_to(site, stream_of("bob@example.com", std::string(100, 'x'))) == "++");
}

TEST_CASE("a user who keeps half of the connections gets no more of them") {
  Site site;
  std::deque<os::Fd> held;
  for (std::size_t i = 0; i < submissions_at_once / 2; ++i) {
    auto ends = *os::socket_pair();
    site.scope->spawn(serve(site, std::move(ends.first)));
    held.push_back(std::move(ends.second));
  }
  CHECK(answer_to(site, stream_of("bob@example.com", "text")).empty());
  held.pop_front();
  site.daemon->loop().run_until_done(site.daemon->loop().sleep(Milliseconds{1}));
  CHECK(answer_to(site, stream_of("bob@example.com", "text")) == "++");
  held.clear();
}
