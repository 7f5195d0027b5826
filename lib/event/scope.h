// TaskScope: where concurrent tasks live. Nothing spawned outlives the scope: its owner joins it, or
// destroys it, which destroys the frames that still wait (their destructors undo what was half done).
#pragma once

#include <cstddef>
#include <list>

#include "lib/event/loop.h"

namespace postrider::event {

class TaskScope {
 public:
  explicit TaskScope(Loop& loop) : loop_(loop) {}
  ~TaskScope();
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;

  // Starts the task at once, up to its first suspension. It must not throw: that ends the process.
  void spawn(Task<> task);
  std::size_t size() const { return tasks_.size(); }

  // Waits until every task ended, also those spawned meanwhile. One joiner at a time.
  Task<> join();

 private:
  struct Entry {
    Task<> task;
    Task<> driver;
  };
  Task<> drive(std::list<Entry>::iterator self);
  void sweep();

  Loop& loop_;
  std::list<Entry> tasks_;
  std::list<Entry> ended_;  // frames that may still be on the stack
  Wait* joiner_ = nullptr;
};

}  // namespace postrider::event
