#include <catch2/catch.hpp>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/event/loop.h"
#include "lib/event/scope.h"
#include "lib/event/sync.h"
#include "lib/event/task_tree.h"
#include "lib/event/watch.h"
#include "lib/event/workers.h"
#include "lib/os/fd.h"

using namespace postrider;
using namespace postrider::event;
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

Task<int> depth(int n) {
  if (n == 0) co_return 0;
  const int below = co_await depth(n - 1);
  co_return below + 1;
}

Task<int> throws(Loop& loop) {
  co_await loop.yield();
  throw std::runtime_error("gone");
}

}  // namespace

TEST_CASE("a hundred thousand awaited tasks that never suspend use a bounded stack") {
  ManualClock clock;
  Loop loop(clock);
  const auto many = [](Loop& l) -> Task<int> {
    int sum = 0;
    for (int i = 0; i < 100'000; ++i) {
      const int one = co_await depth(1);
      sum += one;
      if (i % 1000 == 0) co_await l.yield();
    }
    co_return sum;
  };
  CHECK(loop.run_until_done(many(loop)) == 100'000);
}

TEST_CASE("an exception passes to the awaiting task after a suspension") {
  ManualClock clock;
  Loop loop(clock);
  const auto catches = [](Loop& l) -> Task<std::string> {
    try {
      co_await throws(l);
    } catch (const std::runtime_error& error) {
      co_return error.what();
    }
    co_return "nothing";
  };
  CHECK(loop.run_until_done(catches(loop)) == "gone");
}

TEST_CASE("hours of sleep pass at once on a manual clock, in order") {
  ManualClock clock;
  Loop loop(clock);
  std::string order;
  TaskScope scope(loop);
  const auto nap = [](Loop& l, Microseconds delay, std::string& out, char name) -> Task<> {
    co_await l.sleep(delay);
    out += name;
  };
  scope.spawn(nap(loop, 3h, order, 'c'));
  scope.spawn(nap(loop, 1h, order, 'a'));
  scope.spawn(nap(loop, 2h, order, 'b'));
  const MonoTime start = loop.now();
  loop.run_until_done(scope.join());
  CHECK(order == "abc");
  CHECK(loop.now() - start == 3h);
}

TEST_CASE("a stop ends a sleep early and every sleeper once") {
  ManualClock clock;
  Loop loop(clock);
  StopSource source;
  TaskScope scope(loop);
  int stopped = 0;
  const auto nap = [](Loop& l, StopToken token, int& count) -> Task<> {
    const bool whole = co_await l.sleep(1h, token);
    if (!whole) ++count;
  };
  for (int i = 0; i < 5; ++i) scope.spawn(nap(loop, source.token(), stopped));
  const auto stopper = [](Loop& l, StopSource& s) -> Task<> {
    co_await l.sleep(1s);
    s.stop();
  };
  scope.spawn(stopper(loop, source));
  const MonoTime start = loop.now();
  loop.run_until_done(scope.join());
  CHECK(stopped == 5);
  CHECK(loop.now() - start == 1s);
  CHECK_FALSE(loop.run_until_done(loop.sleep(1s, source.token())));
}

TEST_CASE("a descriptor wakes its reader, and a deadline does when it stays quiet") {
  ManualClock clock;
  Loop loop(clock);
  Pair pair;
  const auto reads = [](Loop& l, int fd) -> Task<std::string> {
    Watch watch(l, fd);
    std::string got;
    while (true) {
      char c = 0;
      const ssize_t n = ::read(fd, &c, 1);
      if (n == 1) {
        got += c;
        continue;
      }
      const Woken woken = co_await watch.readable(l.after(10s));
      if (woken == Woken::timed_out) co_return got + "!";
    }
  };
  TaskScope scope(loop);
  const auto writes = [](Loop& l, int fd) -> Task<> {
    for (const char c : {'x', 'y', 'z'}) {
      co_await l.sleep(5s);
      if (::write(fd, &c, 1) != 1) std::abort();
    }
  };
  scope.spawn(writes(loop, pair.b.get()));
  CHECK(loop.run_until_done(reads(loop, pair.a.get())) == "xyz!");
}

TEST_CASE("destroying a scope destroys its sleepers and their timers") {
  ManualClock clock;
  Loop loop(clock);
  struct Flag {
    bool& set;
    ~Flag() { set = true; }
  };
  bool destroyed = false;
  const auto nap = [](Loop& l, bool& out) -> Task<> {
    Flag flag{out};
    co_await l.sleep(1h);
  };
  {
    TaskScope scope(loop);
    scope.spawn(nap(loop, destroyed));
    CHECK_FALSE(destroyed);
  }
  CHECK(destroyed);
  loop.run();  // returns: nothing is left
}

TEST_CASE("a semaphore admits so many, in order, and times out the rest") {
  ManualClock clock;
  Loop loop(clock);
  Semaphore semaphore(loop, 2);
  TaskScope scope(loop);
  std::string log;
  const auto work = [](Loop& l, Semaphore& s, std::string& out, char name, Microseconds patience) -> Task<> {
    const bool admitted = co_await s.acquire(l.after(patience));
    if (!admitted) {
      out += '-';
      out += name;
      co_return;
    }
    out += name;
    co_await l.sleep(10s);
    s.release();
  };
  scope.spawn(work(loop, semaphore, log, 'a', 1min));
  scope.spawn(work(loop, semaphore, log, 'b', 1min));
  scope.spawn(work(loop, semaphore, log, 'c', 1min));
  scope.spawn(work(loop, semaphore, log, 'd', 5s));
  scope.spawn(work(loop, semaphore, log, 'e', 1min));
  loop.run_until_done(scope.join());
  CHECK(log == "ab-dce");
  CHECK(semaphore.available() == 2);
}

TEST_CASE("blocking work runs on a thread and its waiter goes on in the loop") {
  ManualClock clock;
  Loop loop(clock);
  TaskScope scope(loop);
  int sum = 0;
  {
    Workers workers(loop, 3);
    const auto job = [](Workers& w, int& total, int n) -> Task<> {
      int result = 0;
      co_await w.run([&result, n] { result = n * n; });
      total += result;
    };
    for (int i = 1; i <= 100; ++i) scope.spawn(job(workers, sum, i));
    loop.run_until_done(scope.join());
  }
  CHECK(sum == 338350);
}

TEST_CASE("the tree of tasks says who waits for whom, where tasks keep records") {
  ManualClock clock;
  Loop loop(clock);
  const auto inner = [](Loop& l) -> Task<> { co_await l.sleep(1s); };
  const auto outer = [](Loop& l, auto& child) -> Task<> { co_await child(l); };
  TaskScope scope(loop);
  scope.spawn(outer(loop, inner));
  const std::string tree = task_tree();
#ifdef POSTRIDER_TASK_TREE
  // drive, outer, inner, sleep: each deeper than the one that waits for it.
  CHECK(tree.find("drive") != std::string::npos);
  CHECK(tree.find("\n    ") != std::string::npos);
  CHECK(tree.find("      ") < tree.find("sleep_until"));
  CHECK(tree.find("event_test.cc:") != std::string::npos);
#else
  CHECK(tree.empty());
#endif
  loop.run_until_done(scope.join());
  CHECK(task_tree().find("sleep_until") == std::string::npos);
}
