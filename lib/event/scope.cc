#include "lib/event/scope.h"

namespace postrider::event {

TaskScope::~TaskScope() = default;

void TaskScope::spawn(Task<> task) {
  sweep();
  tasks_.push_back(Entry{std::move(task), {}});
  const auto self = std::prev(tasks_.end());
  self->driver = drive(self);
  self->driver.start();
}

Task<> TaskScope::drive(std::list<Entry>::iterator self) {
  try {
    co_await self->task;
  } catch (...) {
    std::terminate();
  }
  ended_.splice(ended_.end(), tasks_, self);
  // The joiner may destroy the scope and with it this frame, so it goes through the loop.
  if (tasks_.empty() && joiner_) joiner_->wake_later();
}

void TaskScope::sweep() {
  // An entry is safe to destroy once its driver reached its end and left the stack.
  for (auto entry = ended_.begin(); entry != ended_.end();)
    entry = entry->driver.done() ? ended_.erase(entry) : std::next(entry);
}

Task<> TaskScope::join() {
  while (!tasks_.empty()) {
    Wait wait(loop_, no_deadline, {});
    joiner_ = &wait;
    co_await wait;
    joiner_ = nullptr;
  }
}

}  // namespace postrider::event
