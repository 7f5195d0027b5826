// Memory for many short texts of one lifetime: a mailbox's file names. Texts stay where they are
// until the arena dies, also when it is moved.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

namespace postrider::mailbox {

class TextArena {
 public:
  std::string_view keep(std::string_view text);

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::size_t left_ = 0;  // free bytes at the end of the last block
  char* next_ = nullptr;
};

}  // namespace postrider::mailbox
