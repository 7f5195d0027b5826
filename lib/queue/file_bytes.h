// Reading an exact range of a file.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "lib/os/files.h"

namespace postrider::queue {

// The bytes of the range; permanent when the file ends before. `length` must be capped by the caller.
inline Result<std::string> read_exactly(os::Files& files, int fd, std::uint64_t offset, std::size_t length) {
  std::string bytes(length, '\0');
  for (std::size_t have = 0; have < length;) {
    const auto got = files.pread(fd, std::span(bytes).subspan(have), offset + have);
    if (!got) return fail(got.error());
    if (*got == 0) return fail(Trouble::permanent, "file cut off");
    have += *got;
  }
  return bytes;
}

}  // namespace postrider::queue
