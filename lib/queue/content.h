// A message's content as it is handed on: this message's bytes and nobody else's.
#pragma once

#include <cstdint>
#include <string>

#include "lib/base/error.h"
#include "lib/os/fd.h"
#include "lib/os/files.h"

namespace postrider::queue {

// In memory when there is no descriptor: small messages travel between processes as bytes, which costs
// less than a descriptor does. Else in a file, whose position is shared between processes, so read with
// pread from `offset`.
struct Content {
  os::Fd fd;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::string bytes;  // all of it, without a descriptor

  static constexpr std::size_t most_in_memory = 64 * 1024;

  bool in_memory() const { return !fd; }
  // Another handle of the same content. temporary: out of descriptors.
  Result<Content> share() const;
  // `size` bytes from `at`, both within the content; `size` must be capped by the caller.
  Result<std::string> read(os::Files& files, std::uint64_t at, std::size_t size) const;
  // As a file, for those who read nothing else: an unnamed one when it was in memory.
  Result<> into_file(std::string_view name);

  // As part of a message between processes.
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.fd(self.fd);
    v.number(self.offset, UINT64_MAX);
    v.number(self.length, UINT64_MAX);
    v.text(self.bytes, most_in_memory);
  }
};

}  // namespace postrider::queue
