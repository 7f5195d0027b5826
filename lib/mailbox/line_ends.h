// How long a stored message is when every line ends in CRLF.
#pragma once

#include <cstdint>
#include <string_view>

#include "lib/base/error.h"
#include "lib/os/files.h"

namespace postrider::mailbox {

// Counts the line ends that would become CRLF, across blocks.
class LineEnds {
 public:
  void count(std::string_view block);
  std::uint64_t bare() const { return bare_; }

 private:
  char last_ = '\0';
  std::uint64_t bare_ = 0;
};

struct MeasuredSizes {
  std::uint64_t size = 0;
  std::uint64_t virtual_size = 0;
};

// Reads `length` bytes from `offset`, or less where the file ends. access: not a regular file.
Result<MeasuredSizes> measure_file(os::Files& files, int fd, std::uint64_t offset = 0,
                                   std::uint64_t length = static_cast<std::uint64_t>(-1));

}  // namespace postrider::mailbox
