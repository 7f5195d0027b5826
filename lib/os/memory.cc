#include "lib/os/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace postrider::os {

namespace {
constexpr std::size_t worth_it = std::size_t{1} << 20;
}

void populate(void* block, std::size_t size) {
  if (size < worth_it) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(block);
  const std::uintptr_t first = (begin + page - 1) / page * page;
  const std::uintptr_t last = (begin + size) / page * page;
  char* const pages = static_cast<char*>(block) + (first - begin);
  static_cast<void>(::madvise(pages, last - first, MADV_HUGEPAGE));
#ifdef MADV_POPULATE_WRITE
  static_cast<void>(::madvise(pages, last - first, MADV_POPULATE_WRITE));
#endif
}

}  // namespace postrider::os
