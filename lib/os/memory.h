// Large blocks of memory that are about to be filled whole: their pages are asked of the kernel in one go,
// large ones where it has them, instead of by a fault for each 4 kB.
#pragma once

#include <cstddef>
#include <vector>

namespace postrider::os {

// A hint: blocks too small to gain by it, and kernels that do not know it, are left alone. The bytes keep
// their values.
void populate(void* block, std::size_t size);

// Like reserve(), for a vector that will be filled with `count` elements.
template <class T>
void reserve_pages(std::vector<T>& into, std::size_t count) {
  into.reserve(count);
  populate(into.data(), count * sizeof(T));
}

}  // namespace postrider::os
