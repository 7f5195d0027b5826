#include "lib/event/frames.h"

#include <array>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define POSTRIDER_PLAIN_FRAMES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POSTRIDER_PLAIN_FRAMES 1
#endif
#endif

namespace postrider::event {

#ifdef POSTRIDER_PLAIN_FRAMES

void* take_frame(std::size_t size) { return ::operator new(size); }
void give_frame(void* frame, std::size_t size) noexcept { ::operator delete(frame, size); }

#else

namespace {

constexpr std::size_t step = 64;       // frames of one list differ by less
constexpr std::size_t largest = 2048;  // larger frames are rare
constexpr unsigned most_kept = 32;     // per list

struct Free {
  Free* next;
};

struct Lists {
  struct List {
    Free* first = nullptr;
    unsigned count = 0;
  };
  std::array<List, largest / step + 1> lists{};

  ~Lists() {
    for (List& list : lists) {
      while (list.first) {
        Free* frame = list.first;
        list.first = frame->next;
        ::operator delete(frame);
      }
      list.count = most_kept;  // what is given back from now on is the heap's
    }
  }
};

thread_local Lists own;

std::size_t list_of(std::size_t size) { return (size + step - 1) / step; }

}  // namespace

void* take_frame(std::size_t size) {
  if (size > largest) return ::operator new(size);
  const std::size_t number = list_of(size);
  Lists::List& list = own.lists[number];
  if (!list.first) return ::operator new(number * step);
  Free* frame = list.first;
  list.first = frame->next;
  --list.count;
  return frame;
}

void give_frame(void* frame, std::size_t size) noexcept {
  Lists::List* list = size > largest ? nullptr : &own.lists[list_of(size)];
  if (!list || list->count >= most_kept) {
    ::operator delete(frame);
    return;
  }
  auto* free = static_cast<Free*>(frame);
  free->next = list->first;
  list->first = free;
  ++list->count;
}

#endif

}  // namespace postrider::event
