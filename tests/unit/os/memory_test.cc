#include "lib/os/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <string>
#include <vector>

using namespace postrider;

namespace {

constexpr std::size_t block_size = std::size_t{8} << 20;

struct Block {
  void* start =
      ::mmap(nullptr, block_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ~Block() { ::munmap(start, block_size); }

  std::size_t present() const {
    std::vector<unsigned char> pages(block_size / static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
    REQUIRE(::mincore(start, block_size, pages.data()) == 0);
    return static_cast<std::size_t>(std::ranges::count_if(pages, [](unsigned char p) { return p & 1; }));
  }
};

}  // namespace

TEST_CASE("the pages of a large block are present before they are touched, those of a small one are not") {
  const Block small, large;
  os::populate(small.start, block_size / 16);
  CHECK(small.present() == 0);
  os::populate(large.start, block_size);
  if (large.present() == 0) {
    WARN("this kernel cannot populate pages");
    return;
  }
  CHECK(large.present() == block_size / static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
}

TEST_CASE("a block that begins and ends within a page keeps its bytes, and its neighbours theirs") {
  std::string bytes(block_size, 'x');
  os::populate(bytes.data() + 100, bytes.size() - 200);
  CHECK(std::ranges::all_of(bytes, [](char c) { return c == 'x'; }));
}

TEST_CASE("a vector whose pages were reserved is empty and has the room") {
  std::vector<std::uint64_t> numbers;
  os::reserve_pages(numbers, 1'000'000);
  CHECK(numbers.empty());
  CHECK(numbers.capacity() >= 1'000'000);
}
