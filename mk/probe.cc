// What configure compiles and runs before it trusts a compiler: ordinary coroutine expressions in
// which some compilers (g++ 12 among them) destroy a temporary twice or not at all.
//
// Each shape is one that protocol code writes: an argument built in the co_await expression, a
// conversion on the way into an awaitable, a braced aggregate, a conditional, an early return of a
// std::expected while temporaries live. Every Counted must be destroyed exactly once.
#include <coroutine>
#include <cstdio>
#include <exception>
#include <expected>
#include <string>
#include <utility>

namespace {

int alive = 0;
int made = 0;

struct Counted {
  explicit Counted(const char* from) : text(from), self(this) { count(); }
  Counted(const Counted& other) : text(other.text), self(this) { count(); }
  Counted(Counted&& other) noexcept : text(std::move(other.text)), self(this) { count(); }
  Counted& operator=(const Counted&) = default;
  ~Counted() {
    // A bitwise copy or a second destruction: the object is not where it was constructed.
    if (self != this) broken = true;
    self = nullptr;
    --alive;
  }
  static void count() {
    ++alive;
    ++made;
  }
  static inline bool broken = false;
  std::string text;
  Counted* self;
};

template <class T>
struct Task {
  struct promise_type {
    Task get_return_object() { return Task{std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    auto final_suspend() noexcept {
      struct Back {
        bool await_ready() noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> done) noexcept {
          auto next = done.promise().next;
          return next ? next : std::noop_coroutine();
        }
        void await_resume() noexcept {}
      };
      return Back{};
    }
    template <class U>
    void return_value(U&& from) {
      value = std::forward<U>(from);
    }
    void unhandled_exception() { std::terminate(); }
    T value{};
    std::coroutine_handle<> next;
  };

  explicit Task(std::coroutine_handle<promise_type> h) : handle(h) {}
  Task(Task&& other) noexcept : handle(std::exchange(other.handle, {})) {}
  ~Task() {
    if (handle) handle.destroy();
  }
  bool await_ready() { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) {
    handle.promise().next = caller;
    return handle;
  }
  T await_resume() { return std::move(handle.promise().value); }
  T run() {
    handle.resume();
    return std::move(handle.promise().value);
  }
  std::coroutine_handle<promise_type> handle;
};

struct Pair {
  Counted left;
  Counted right;
};

Task<int> by_value(Counted c) { co_return static_cast<int>(c.text.size()); }
Task<int> by_pair(Pair p) { co_return static_cast<int>(p.left.text.size() + p.right.text.size()); }
Task<int> by_reference(const Counted& c) { co_return static_cast<int>(c.text.size()); }
Task<std::string> text_of(Counted c) { co_return c.text; }
Task<std::expected<std::string, int>> fails(Counted) { co_return std::unexpected(7); }

Task<int> shapes(bool yes) {
  int sum = co_await by_value(Counted("a long enough text to be on the heap"));
  sum += co_await by_reference(Counted("temporary that must outlive the await expression"));
  sum += co_await by_pair({Counted("left left left left left"), Counted("right right right right")});
  sum += co_await by_pair(Pair{Counted("again again again again again"), Counted("and again")});
  sum += yes ? co_await by_value(Counted("the conditional's left branch, on the heap")) : 0;
  sum += !yes ? 0 : co_await by_value(Counted("the conditional's right branch, on the heap"));
  const std::string joined = co_await text_of(Counted("prefix prefix prefix prefix")) + "suffix";
  sum += static_cast<int>(joined.size());
  if (auto got = co_await fails(Counted("an argument of a failing call, on the heap")); !got)
    sum += got.error();
  for (int i = 0; i < 3; ++i) sum += co_await by_value(Counted(i == 1 ? "one" : "another number"));
  co_return sum;
}

}  // namespace

int main() {
  const int sum = shapes(true).run();
  if (alive != 0 || Counted::broken || made == 0 || sum != 325) {
    std::printf("probe: %d temporaries left of %d, %s, sum %d\n", alive, made,
                Counted::broken ? "one destroyed in a place it was not made" : "each where it was made", sum);
    return 1;
  }
  return 0;
}
