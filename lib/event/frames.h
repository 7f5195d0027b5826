// Where coroutine frames come from: free lists by size, since a server makes and drops the same few
// frames for every command it hears. A list keeps at most a few, the rest goes back to the heap, so that
// a burst leaves nothing behind. Each thread has its own lists. Under AddressSanitizer every frame is
// the heap's, so that a use after its end is seen.
#pragma once

#include <cstddef>

namespace postrider::event {

void* take_frame(std::size_t size);
void give_frame(void* frame, std::size_t size) noexcept;  // `size` as it was taken

}  // namespace postrider::event
