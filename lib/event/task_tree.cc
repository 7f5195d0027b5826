#include "lib/event/task_tree.h"

#ifdef POSTRIDER_TASK_TREE

#include <map>
#include <vector>

namespace postrider::event {

namespace {
thread_local TaskRecord* first = nullptr;
}

TaskRecord::TaskRecord() : next_(first), back_(&first) {
  if (next_) next_->back_ = &next_;
  first = this;
}

TaskRecord::~TaskRecord() {
  *back_ = next_;
  if (next_) next_->back_ = back_;
}

std::string task_tree() {
  std::map<void*, std::vector<const TaskRecord*>> children;  // by the frame that waits; null: nobody does
  for (const TaskRecord* record = first; record; record = record->next_)
    if (record->frame_) children[record->parent_->address()].push_back(record);
  std::string text;
  const auto add = [&](const auto& self, void* parent, std::size_t depth) -> void {
    const auto found = children.find(parent);
    if (found == children.end()) return;
    for (const TaskRecord* record : found->second) {
      text.append(2 * depth, ' ') += record->where_.function_name();
      text +=
          "  " + std::string(record->where_.file_name()) + ":" + std::to_string(record->where_.line()) + "\n";
      self(self, record->frame_, depth + 1);
    }
  };
  add(add, nullptr, 0);
  return text;
}

}  // namespace postrider::event

#else

namespace postrider::event {
std::string task_tree() { return {}; }
}  // namespace postrider::event

#endif
