#include "lib/ipc/channel.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/event/scope.h"

using namespace postrider;
using namespace std::chrono_literals;

namespace {

struct Item {
  std::string name;
  std::uint64_t count = 0;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.name, 16);
    v.number(self.count, 1000);
  }
};

enum class Color : std::uint8_t { red, green };

struct Sample {
  static constexpr std::string_view name = "test.sample/1";
  std::string text;
  std::int64_t negative = 0;
  bool flag = false;
  Color color = Color::red;
  std::vector<Item> items;
  std::vector<std::string> words;
  os::Fd file;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.text, 100'000);
    v.signed_number(self.negative);
    v.flag(self.flag);
    v.word(self.color, Color::green);
    v.list(self.items, 4);
    v.texts(self.words, 3, 10);
    v.fd(self.file);
  }
};

struct Other {
  static constexpr std::string_view name = "test.other/1";
  template <class Self, class V>
  static void fields(Self&, V&) {}
};

Sample sample() {
  Sample s;
  s.text = std::string("a\0b", 3);
  s.negative = -12345678901234;
  s.flag = true;
  s.color = Color::green;
  s.items = {{"one", 1}, {"two", 999}};
  s.words = {"x", "", "yy"};
  return s;
}

std::string encode(const Sample& s) {
  std::string bytes;
  std::vector<int> fds;
  ipc::Encoder encoder(bytes, fds);
  Sample::fields(s, encoder);
  return bytes;
}

bool decodes(std::string_view bytes) {
  std::vector<os::Fd> fds;
  ipc::Decoder decoder(bytes, fds);
  Sample s;
  Sample::fields(s, decoder);
  return decoder.complete();
}

struct Pair {
  os::Fd a, b;
  Pair() {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) std::abort();
    a = os::Fd(fds[0]);
    b = os::Fd(fds[1]);
  }
};

}  // namespace

TEST_CASE("a message decodes only when it is whole and nothing follows") {
  const std::string bytes = encode(sample());
  CHECK(decodes(bytes));
  for (std::size_t n = 0; n < bytes.size(); ++n) CHECK_FALSE(decodes(bytes.substr(0, n)));
  CHECK_FALSE(decodes(bytes + '\0'));
}

TEST_CASE("fields over their caps are refused before anything is allocated") {
  Sample s = sample();
  std::string bytes = encode(s);
  // The first field's length, replaced by 2^63.
  std::string huge = "\xff\xff\xff\xff\xff\xff\xff\xff\x7f";
  CHECK_FALSE(decodes(huge + bytes.substr(1)));
  // A color that does not exist.
  const auto color = bytes.find('\1', 4 + 7);
  REQUIRE(color != std::string::npos);
  bytes[color + 1] = '\2';
  CHECK_FALSE(decodes(bytes));
  // A sender cuts what its own caps forbid.
  s.words = {"12345678901234567890"};
  s.items.resize(9);
  CHECK(decodes(encode(s)));
}

TEST_CASE("messages and descriptors arrive in order, whatever the sizes") {
  ManualClock clock;
  event::Loop loop(clock);
  Pair pair;
  const auto sends = [](event::Loop& l, os::Fd fd) -> event::Task<> {
    ipc::Channel channel(l, std::move(fd));
    for (int i = 0; i < 50; ++i) {
      Sample s = sample();
      s.text = std::string(static_cast<std::size_t>(i * 1999), 'q');
      if (i % 3 == 0) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
        s.file = os::Fd(ends[0]);
        const os::Fd writer(ends[1]);
        const char mark = static_cast<char>(i);
        if (::write(writer.get(), &mark, 1) != 1) std::abort();
      }
      channel.put(s);
      if (i % 5 == 0) co_await channel.flush(l.after(1min));
    }
    co_await channel.flush(l.after(1min));
  };
  const auto receives = [](event::Loop& l, os::Fd fd, int& good) -> event::Task<> {
    ipc::Channel channel(l, std::move(fd));
    for (int i = 0; i < 50; ++i) {
      Sample s = co_await channel.expect<Sample>(l.after(1min));
      if (s.text.size() != static_cast<std::size_t>(i * 1999)) continue;
      if (static_cast<bool>(s.file) != (i % 3 == 0)) continue;
      char mark = static_cast<char>(i);
      if (s.file && ::read(s.file.get(), &mark, 1) != 1) continue;
      if (mark == static_cast<char>(i)) ++good;
    }
  };
  event::TaskScope scope(loop);
  int good = 0;
  scope.spawn(sends(loop, std::move(pair.a)));
  scope.spawn(receives(loop, std::move(pair.b), good));
  loop.run_until_done(scope.join());
  CHECK(good == 50);
}

TEST_CASE("garbage, wrong messages and silence end the conversation, not the process") {
  const auto outcome = [](const std::string& bytes, bool close) {
    ManualClock clock;
    event::Loop loop(clock);
    Pair pair;
    if (!bytes.empty() && ::write(pair.b.get(), bytes.data(), bytes.size()) < 0) std::abort();
    if (close) pair.b.reset();
    const auto receives = [](event::Loop& l, os::Fd fd) -> event::Task<std::string> {
      ipc::Channel channel(l, std::move(fd));
      try {
        co_await channel.expect<Other>(l.after(10s));
      } catch (const io::Ended& ended) {
        co_return ended.why == io::Ended::Why::timed_out ? "timed out" : ended.detail;
      }
      co_return "fine";
    };
    return loop.run_until_done(receives(loop, std::move(pair.a)));
  };
  const auto frame = [](std::uint32_t length, std::uint32_t tag, std::uint32_t fds) {
    std::string f(16, '\0');
    std::memcpy(f.data(), &length, 4);
    std::memcpy(f.data() + 4, &tag, 4);
    std::memcpy(f.data() + 12, &fds, 4);
    return f;
  };
  const std::uint32_t tag = ipc::message_tag(Other::name);
  CHECK(outcome(frame(0, tag, 0), false) == "fine");
  CHECK(outcome(frame(1, tag, 0) + "x", false) == "unexpected message");
  CHECK(outcome(frame(0, tag + 1, 0), false) == "unexpected message");
  CHECK(outcome(frame(0xffffffff, tag, 0), false) == "message over its limits");
  CHECK(outcome(frame(0, tag, 99), false) == "message over its limits");
  CHECK(outcome(frame(0, tag, 1), false) == "descriptors are missing");
  CHECK(outcome(frame(5, tag, 0) + "abc", true) == "closed");
  CHECK(outcome("", false) == "timed out");
}
