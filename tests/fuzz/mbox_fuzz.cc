// Mbox files: messages lie one behind the other within the file, and add up.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lib/mailbox/mbox_file.h"
#include "lib/os/files.h"

using namespace postrider;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto file = os::memory_file("mbox", {&text, 1});
  if (!file) return 0;
  const auto scan = mailbox::scan_mbox(os::system_files(), file->get());
  if (!scan) return 0;
  std::uint64_t at = 0;
  for (const auto& message : scan->messages) {
    if (message.begin != at || message.header <= message.begin || message.body < message.header ||
        message.end < message.body || message.next < message.end || message.next > size) {
      std::abort();
    }
    if (message.octets > 2 * size + 4) std::abort();
    at = message.next;
  }
  if (at != size) std::abort();
  return 0;
}
