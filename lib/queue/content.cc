#include "lib/queue/content.h"

#include <array>

#include "lib/queue/file_bytes.h"

namespace postrider::queue {

Result<Content> Content::share() const {
  Content other;
  other.offset = offset;
  other.length = length;
  other.bytes = bytes;
  if (in_memory()) return other;
  other.fd = fd.duplicate();
  if (!other.fd) return fail(Trouble::temporary, "out of file descriptors");
  return other;
}

Result<std::string> Content::read(os::Files& files, std::uint64_t at, std::size_t size) const {
  if (!in_memory()) return read_exactly(files, fd.get(), offset + at, size);
  if (at > bytes.size() || size > bytes.size() - at) return fail(Trouble::permanent, "content cut off");
  return bytes.substr(static_cast<std::size_t>(at), size);
}

Result<> Content::into_file(std::string_view name) {
  if (!in_memory()) return {};
  const std::array<std::string_view, 1> parts{bytes};
  Result<os::Fd> file = os::memory_file(name, parts);
  if (!file) return fail(file.error());
  fd = std::move(*file);
  offset = 0;
  bytes = {};
  return {};
}

}  // namespace postrider::queue
