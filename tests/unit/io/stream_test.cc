#include "lib/io/stream.h"

#include <catch2/catch.hpp>
#include <string>

#include <sys/socket.h>
#include <unistd.h>

#include "lib/event/scope.h"

using namespace postrider;
using namespace std::chrono_literals;

namespace {

struct Pair {
  os::Fd a, b;
  Pair() {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) std::abort();
    a = os::Fd(fds[0]);
    b = os::Fd(fds[1]);
  }
};

// What a session reading lines of at most 10 bytes sees of the input, one letter per event.
event::Task<std::string> lines(event::Loop& loop, os::Fd socket) {
  io::Stream stream(loop, std::move(socket));
  std::string seen;
  try {
    while (true) {
      const io::Line line = co_await stream.read_line(10, loop.after(60s));
      seen += line.text;
      seen += line.too_long ? "+" : "";
      seen += line.ending == io::Line::Ending::crlf ? "|" : "/";
    }
  } catch (const io::Ended& ended) {
    seen += ended.why == io::Ended::Why::lost ? "lost" : "timeout";
  }
  co_return seen;
}

event::Task<> feed(event::Loop& loop, os::Fd socket, std::string bytes, std::size_t piece) {
  io::Stream stream(loop, std::move(socket));
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    stream.put(std::string_view(bytes).substr(at, piece));
    try {
      co_await stream.flush(loop.after(1min));
    } catch (const io::Ended&) {
      co_return;  // the reader had enough
    }
    co_await loop.yield();
  }
}

std::string read_lines(const std::string& bytes, std::size_t piece) {
  ManualClock clock;
  event::Loop loop(clock);
  Pair pair;
  event::TaskScope scope(loop);
  std::string seen;
  const auto run = [](event::Loop& l, os::Fd fd, std::string& out) -> event::Task<> {
    out = co_await lines(l, std::move(fd));
  };
  scope.spawn(run(loop, std::move(pair.a), seen));
  scope.spawn(feed(loop, std::move(pair.b), bytes, piece));
  loop.run_until_done(scope.join());
  return seen;
}

}  // namespace

TEST_CASE("lines arrive the same whole and byte by byte") {
  const std::string input =
      "EHLO x\r\n\nabc\rdef\r\r\n1234567890\r\n12345678901\r\n" + std::string(300, 'z') + "\nlast\r\nrest";
  const std::string expected = "EHLO x|/abc\rdef\r|1234567890|1234567890+|zzzzzzzzzz+/last|lost";
  for (const std::size_t piece :
       {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, input.size()})
    CHECK(read_lines(input, piece) == expected);
}

TEST_CASE("a line without end is cut off instead of read for ever") {
  CHECK(read_lines(std::string(100'000, 'a'), 4096) == "lost");
}

TEST_CASE("a silent peer is left at the deadline, not before") {
  ManualClock clock;
  event::Loop loop(clock);
  Pair pair;
  const MonoTime start = loop.now();
  CHECK(loop.run_until_done(lines(loop, std::move(pair.a))) == "timeout");
  CHECK(loop.now() - start == 60s);
}

TEST_CASE("output is collected until a read has to wait") {
  ManualClock clock;
  event::Loop loop(clock);
  Pair pair;
  const auto session = [](event::Loop& l, os::Fd fd) -> event::Task<> {
    io::Stream stream(l, std::move(fd));
    stream.put("250-one\r\n");
    stream.put("250 two\r\n");
    CHECK(stream.pending_output() == 18);
    try {
      co_await stream.read_line(100, l.after(1s));
    } catch (const io::Ended&) {
    }
    CHECK(stream.pending_output() == 0);
  };
  loop.run_until_done(session(loop, std::move(pair.a)));
  char buffer[64];
  CHECK(::read(pair.b.get(), buffer, sizeof buffer) == 18);
}

TEST_CASE("discarding input before TLS also empties the kernel's buffer") {
  ManualClock clock;
  event::Loop loop(clock);
  Pair pair;
  const auto session = [](event::Loop& l, os::Fd fd, int peer) -> event::Task<> {
    io::Stream stream(l, std::move(fd));
    CHECK(::write(peer, "STARTTLS\r\nRSET\r\n", 16) == 16);
    const io::Line line = co_await stream.read_line(100, l.after(1s));
    CHECK(line.text == "STARTTLS");
    CHECK(::write(peer, "more", 4) == 4);
    CHECK(stream.discard_input() == 10);
    CHECK_FALSE(stream.input_is_ready());
  };
  loop.run_until_done(session(loop, std::move(pair.a), pair.b.get()));
}

TEST_CASE("a peer that never reads ends the write at its deadline") {
  ManualClock clock;
  event::Loop loop(clock);
  Pair pair;
  const auto session = [](event::Loop& l, os::Fd fd) -> event::Task<bool> {
    io::Stream stream(l, std::move(fd));
    const std::string much(4 << 20, 'x');
    try {
      co_await stream.write(much, l.after(5s));
      co_await stream.flush(l.after(5s));
    } catch (const io::Ended& ended) {
      co_return ended.why == io::Ended::Why::timed_out;
    }
    co_return false;
  };
  CHECK(loop.run_until_done(session(loop, std::move(pair.a))));
}

TEST_CASE(
    "a stream that waits alone reads and answers as any other, and loses patience within the system call") {
  const SystemClock clock;
  event::Loop loop(clock);
  Pair pair;
  REQUIRE(::write(pair.b.get(), "one\r\ntwo\r\nthr", 13) == 13);
  const auto serve = [](event::Loop& l, os::Fd socket) -> event::Task<std::string> {
    io::Stream stream(l, std::move(socket));
    if (!stream.wait_alone(Seconds{1})) co_return "refused";
    std::string seen;
    try {
      while (true) {
        const io::Line line = co_await stream.read_line(10, no_deadline);
        seen += line.text;
        stream.put(line.text);
      }
    } catch (const io::Ended& ended) {
      seen += ended.why == io::Ended::Why::timed_out ? "|timeout" : "|lost";
    }
    co_return seen;
  };
  CHECK(loop.run_until_done(serve(loop, std::move(pair.a))) == "onetwo|timeout");
  char answer[16] = {};
  REQUIRE(::read(pair.b.get(), answer, sizeof answer) == 6);
  CHECK(std::string(answer) == "onetwo");
}
