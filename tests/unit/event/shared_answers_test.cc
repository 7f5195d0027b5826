#include "lib/event/shared_answers.h"

#include <catch2/catch.hpp>

using namespace postrider;
using namespace std::chrono_literals;

namespace {

// Answers with the number of the fetch, after a second.
struct Source {
  event::Loop& loop;
  int fetched = 0;

  event::Task<int> fetch() {
    const int mine = ++fetched;
    co_await loop.sleep(1s);
    co_return mine;
  }
};

struct Asking {
  ManualClock clock;
  event::Loop loop{clock};
  event::TaskScope tasks{loop};
  event::SharedAnswers<int> answers{loop, tasks};
  Source source{loop};

  event::Task<> ask(std::string question, Microseconds after, int& answer) {
    if (after.count() != 0) co_await loop.sleep(after);
    answer = co_await answers.ask(std::move(question), [this] { return source.fetch(); });
  }
};

}  // namespace

TEST_CASE("who asks together gets one answer, who asks later gets a later one") {
  Asking a;
  int first = 0, second = 0, late = 0, later = 0, last = 0;
  a.tasks.spawn(a.ask("x", 0s, first));
  a.tasks.spawn(a.ask("x", 0s, second));
  a.tasks.spawn(a.ask("x", 500ms, late));  // while the first is being fetched
  a.tasks.spawn(a.ask("x", 700ms, later));
  a.tasks.spawn(a.ask("x", 10s, last));
  a.loop.run_until_done(a.tasks.join());
  CHECK(first == 1);
  CHECK(second == 1);
  CHECK(late == 2);
  CHECK(later == 2);
  CHECK(last == 3);
  CHECK(a.source.fetched == 3);
}

TEST_CASE("different questions are fetched apart and at the same time") {
  Asking a;
  int x = 0, y = 0;
  const MonoTime before = a.loop.now();
  a.tasks.spawn(a.ask("x", 0s, x));
  a.tasks.spawn(a.ask("y", 0s, y));
  a.loop.run_until_done(a.tasks.join());
  CHECK(x + y == 3);
  CHECK(a.loop.now() - before == 1s);
}

TEST_CASE("who gives up while he waits is not answered, and the others are") {
  Asking a;
  int gone = 0, there = 0;
  {
    event::TaskScope shorter(a.loop);
    shorter.spawn(a.ask("x", 0s, gone));
  }
  a.tasks.spawn(a.ask("x", 0s, there));
  a.loop.run_until_done(a.tasks.join());
  CHECK(gone == 0);
  CHECK(there == 1);
}
