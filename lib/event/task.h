// Task<T>: a lazy coroutine, awaited where it is made. All protocol code is written in these.
//
// The child is resumed inline by co_await and the parent inline when the child ends, so a chain of
// tasks whose data is ready runs to its end without touching the loop; the stack depth is that of the
// calls. Exceptions pass to the awaiting parent. Destroying a Task destroys its suspended frame, and
// every awaiter of this room unregisters itself in its destructor. Single-threaded.
#pragma once

#include <coroutine>
#include <cstdlib>
#include <exception>
#include <optional>
#include <source_location>
#include <utility>

#include "lib/event/frames.h"
#include "lib/event/task_tree.h"

namespace postrider::event {

template <class T = void>
class [[nodiscard]] Task;

namespace detail {

struct PromiseBase {
  std::coroutine_handle<> parent;
  std::exception_ptr exception;
  [[no_unique_address]] TaskRecord record;

  static void* operator new(std::size_t size) { return take_frame(size); }
  static void operator delete(void* frame, std::size_t size) { give_frame(frame, size); }

  std::suspend_always initial_suspend() noexcept { return {}; }
  struct Final {
    bool await_ready() noexcept { return false; }
    template <class P>
    void await_suspend(std::coroutine_handle<P> self) noexcept {
      // Resuming the parent may destroy this frame: nothing of it is touched afterwards.
      const std::coroutine_handle<> waiter = self.promise().parent;
      if (waiter) waiter.resume();
    }
    void await_resume() noexcept {}
  };
  Final final_suspend() noexcept { return {}; }
  void unhandled_exception() { exception = std::current_exception(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object(std::source_location where = std::source_location::current());
  template <class U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T take() {
    if (exception) std::rethrow_exception(exception);
    return std::move(*value);
  }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object(std::source_location where = std::source_location::current());
  void return_void() {}
  void take() {
    if (exception) std::rethrow_exception(exception);
  }
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  struct Awaiter {
    Handle handle;
    bool await_ready() noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> parent) {
      handle.resume();
      if (handle.done()) return false;
      handle.promise().parent = parent;
      return true;
    }
    T await_resume() { return handle.promise().take(); }
  };
  Awaiter operator co_await() const& noexcept { return Awaiter{handle_}; }
  Awaiter operator co_await() const&& noexcept { return Awaiter{handle_}; }

  // For the owners of root tasks (TaskScope, Loop): run to the first suspension; has it ended.
  void start() { handle_.resume(); }
  bool done() const { return !handle_ || handle_.done(); }
  T take() { return handle_.promise().take(); }

 private:
  Handle handle_;
};

namespace detail {
template <class T>
Task<T> Promise<T>::get_return_object(std::source_location where) {
  const auto self = std::coroutine_handle<Promise<T>>::from_promise(*this);
  record.is(self, parent, where);
  return Task<T>(self);
}
inline Task<void> Promise<void>::get_return_object(std::source_location where) {
  const auto self = std::coroutine_handle<Promise<void>>::from_promise(*this);
  record.is(self, parent, where);
  return Task<void>(self);
}
}  // namespace detail

}  // namespace postrider::event
