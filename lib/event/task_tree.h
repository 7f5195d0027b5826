// Which tasks wait, and for whom: for whoever asks a process that seems to hang (SIGUSR2, see
// CONTRIBUTING.md). Only in flavours that define POSTRIDER_TASK_TREE (debug, sanitize); elsewhere a task
// keeps no record and the tree is empty.
#pragma once

#include <coroutine>
#include <source_location>
#include <string>

namespace postrider::event {

#ifdef POSTRIDER_TASK_TREE

// One task, in the list of its thread for as long as its frame lives.
class TaskRecord {
 public:
  TaskRecord();
  ~TaskRecord();
  TaskRecord(const TaskRecord&) = delete;
  TaskRecord& operator=(const TaskRecord&) = delete;
  // The coroutine's frame, where it says who waits for it, and its function.
  void is(std::coroutine_handle<> self, const std::coroutine_handle<>& parent, std::source_location where) {
    frame_ = self.address();
    parent_ = &parent;
    where_ = where;
  }

 private:
  friend std::string task_tree();
  TaskRecord* next_;
  TaskRecord** back_;
  void* frame_ = nullptr;
  const std::coroutine_handle<>* parent_ = nullptr;
  std::source_location where_;
};

#else

class TaskRecord {
 public:
  void is(std::coroutine_handle<>, const std::coroutine_handle<>&, std::source_location) {}
};

#endif

// A line for each task of this thread, two blanks deeper than the task that waits for it.
std::string task_tree();

}  // namespace postrider::event
