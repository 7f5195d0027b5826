#include "lib/ipc/caller.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/event/scope.h"
#include "lib/ipc/call.h"
#include "lib/ipc/pool.h"

using namespace postrider;
using namespace std::chrono_literals;

namespace {

struct Question {
  static constexpr std::string_view name = "test.question/1";
  std::uint64_t number = 0;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.number(self.number, UINT64_MAX);
  }
};

struct Answer {
  static constexpr std::string_view name = "test.answer/1";
  std::uint64_t number = 0;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.number(self.number, UINT64_MAX);
  }
};

struct Handover {
  static constexpr std::string_view name = "test.handover/1";
  os::Fd file;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.fd(self.file);
  }
};

// A caller, and the other end of its connection in the test's hands.
struct Line {
  SystemClock clock;
  event::Loop loop{clock};
  event::StopSource stop;
  std::pair<os::Fd, os::Fd> sockets = *os::socket_pair();
  ipc::Caller caller{loop, std::move(sockets.first), stop.token()};
  ipc::Channel server{loop, std::move(sockets.second)};
  std::vector<std::string> heard;
  event::TaskScope tasks{loop};

  event::Task<> ask(std::uint64_t number, Microseconds patience = 10s) {
    return ask_with(number, Question{number}, patience);
  }
  template <class M>
  event::Task<> ask_with(std::uint64_t number, M question, Microseconds patience = 10s) {
    try {
      const Answer answer = co_await caller.call<Answer>(question, loop.after(patience));
      heard.push_back(std::to_string(number) + ": " + std::to_string(answer.number));
    } catch (const io::Ended& ended) {
      heard.push_back(std::to_string(number) + (ended.why == io::Ended::Why::lost        ? ": lost"
                                                : ended.why == io::Ended::Why::timed_out ? ": timed out"
                                                                                         : ": stopped"));
    }
  }
  ipc::Frame receive() { return loop.run_until_done(server.receive(loop.after(10s))); }
  void settle() { loop.run_until_done(tasks.join()); }
};

}  // namespace

TEST_CASE("answers find their questions in whatever order they come") {
  Line line;
  for (std::uint64_t i = 1; i <= 3; ++i) line.tasks.spawn(line.ask(i));
  std::vector<ipc::Frame> frames;
  for (int i = 0; i < 3; ++i) frames.push_back(line.receive());
  for (const int i : {2, 0, 1}) {
    auto question = frames[static_cast<std::size_t>(i)].as<Question>();
    REQUIRE(question);
    ipc::Call(line.server, frames[static_cast<std::size_t>(i)].call()).answer(Answer{question->number * 10});
  }
  line.settle();
  CHECK(line.heard == std::vector<std::string>{"3: 30", "1: 10", "2: 20"});
}

TEST_CASE("a server that is lost ends every call, and no new one begins") {
  Line line;
  line.tasks.spawn(line.ask(1));
  line.tasks.spawn(line.ask(2));
  line.receive();
  ::shutdown(line.server.socket().get(), SHUT_RDWR);
  line.settle();
  CHECK(line.heard.size() == 2);
  for (const std::string& one : line.heard) CHECK(one.ends_with(": lost"));
  CHECK_FALSE(line.caller.open());
  line.tasks.spawn(line.ask(3));
  CHECK(line.heard.back() == "3: lost");
  CHECK(line.caller.finished());
}

TEST_CASE("a question whose descriptor cannot be duplicated ends every call, although the server is there") {
  Line line;
  line.tasks.spawn(line.ask(1));
  line.receive();
  Handover handover{std::move(os::socket_pair()->first)};
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{.rlim_cur = 3, .rlim_max = before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  line.tasks.spawn(line.ask_with(2, std::move(handover)));
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  line.settle();
  CHECK(line.heard == std::vector<std::string>{"2: lost", "1: lost"});
  CHECK_FALSE(line.caller.open());
}

TEST_CASE("an answer after its deadline, an unknown one and one of another kind do no harm to others") {
  Line line;
  line.tasks.spawn(line.ask(1, 1ms));
  const ipc::Frame late = line.receive();
  line.settle();
  CHECK(line.heard == std::vector<std::string>{"1: timed out"});
  line.tasks.spawn(line.ask(2));
  const ipc::Frame second = line.receive();
  ipc::Call(line.server, late.call()).answer(Answer{1});
  ipc::Call(line.server, 12345).answer(Answer{1});
  ipc::Call(line.server, second.call()).answer(Answer{2});
  line.settle();
  CHECK(line.heard.back() == "2: 2");
  line.tasks.spawn(line.ask(3));
  ipc::Call(line.server, line.receive().call()).answer(Question{3});
  line.settle();
  CHECK(line.heard.back() == "3: lost");
  CHECK(line.caller.open());
}

TEST_CASE("the stop ends every call") {
  Line line;
  line.tasks.spawn(line.ask(1));
  line.stop.stop();
  line.settle();
  CHECK(line.heard == std::vector<std::string>{"1: stopped"});
}

TEST_CASE("a server that is going away gets no new calls, and the line is closed after the last answer") {
  Line line;
  line.tasks.spawn(line.ask(1));
  const ipc::Frame frame = line.receive();
  line.server.put_as(0, ipc::GoingAway{});
  line.server.post();
  line.loop.run_until_done(line.loop.sleep(1ms));
  while (line.caller.open()) line.loop.run_until_done(line.loop.sleep(1ms));
  CHECK_FALSE(line.caller.finished());
  ipc::Call(line.server, frame.call()).answer(Answer{1});
  line.settle();
  CHECK(line.heard == std::vector<std::string>{"1: 1"});
  CHECK(line.caller.finished());
  CHECK_THROWS_AS(line.receive(), io::Ended);  // closed by the client
}

TEST_CASE("more than the socket holds is sent when there is room") {
  Line line;
  const auto flood = [](ipc::Channel& channel) -> event::Task<> {
    for (std::uint64_t i = 0; i < 200'000; ++i) channel.put_as(7, Question{i});
    channel.post();
    co_return;
  };
  line.loop.run_until_done(flood(line.server));
  // The caller's end throws them away, being no answers; the last comes through after them.
  line.tasks.spawn(line.ask(1));
  ipc::Call(line.server, line.receive().call()).answer(Answer{5});
  line.settle();
  CHECK(line.heard == std::vector<std::string>{"1: 5"});
}

TEST_CASE("a pool asks again on a new connection when the service was lost, once is not asked again") {
  char directory[] = "/tmp/postrider-pool-XXXXXX";
  REQUIRE(::mkdtemp(directory));
  const std::string path = std::string(directory) + "/service";
  SystemClock clock;
  event::Loop loop(clock);
  const os::Fd listener = *os::listen_unix(path, 0600);
  int connections = 0;
  const auto serve = [](event::Loop& l, const os::Fd& at, int& count) -> event::Task<> {
    event::Watch watch(l, at.get());
    while (count < 2) {
      Result<os::Fd> client = os::accept(at);
      if (!client || !*client) {
        co_await watch.readable(no_deadline);
        continue;
      }
      ++count;
      ipc::Channel channel(l, std::move(*client));
      try {
        while (true) {
          ipc::Frame frame = co_await channel.receive(no_deadline);
          const auto question = frame.as<Question>();
          if (count == 1 || question->number != 41) break;  // dies of the question
          channel.put(Answer{question->number + 1});
          co_await channel.flush(no_deadline);
        }
      } catch (const io::Ended&) {
      }
    }
  };
  event::TaskScope tasks(loop);
  tasks.spawn(serve(loop, listener, connections));
  ipc::Pool pool(loop, path);
  const auto asks = [](event::Loop& l, ipc::Pool& p) -> event::Task<std::string> {
    const Result<Answer> first = co_await p.ask<Answer>(Question{41}, l.after(10s));
    std::string heard = first ? std::to_string(first->number) : first.error().text();
    try {
      const Result<Answer> second = co_await p.ask_once<Answer>(Question{1}, l.after(10s), l.after(10s));
      heard += second ? " answered" : " " + second.error().text();
    } catch (const io::Ended&) {
      heard += " lost";
    }
    co_return heard;
  };
  CHECK(loop.run_until_done(asks(loop, pool)) == "42 lost");
  CHECK(connections == 2);
  ::unlink(path.c_str());
  ::rmdir(directory);
}
