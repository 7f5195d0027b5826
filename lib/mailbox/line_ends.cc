#include "lib/mailbox/line_ends.h"

#include <algorithm>
#include <string>

namespace postrider::mailbox {

void LineEnds::count(std::string_view block) {
  for (std::size_t at = 0; (at = block.find('\n', at)) != std::string_view::npos; ++at) {
    if ((at == 0 ? last_ : block[at - 1]) != '\r') ++bare_;
  }
  if (!block.empty()) last_ = block.back();
}

Result<MeasuredSizes> measure_file(os::Files& files, int fd, std::uint64_t offset, std::uint64_t length) {
  const auto status = files.fstat(fd);
  if (!status) return fail(status.error());
  if (status->kind != os::FileStatus::Kind::regular) return fail(Trouble::access, "not a regular file");
  const std::uint64_t there = status->size > offset ? status->size - offset : 0;
  std::string block(std::clamp<std::uint64_t>(std::min(there, length), 1, 64 * 1024), '\0');
  LineEnds ends;
  MeasuredSizes sizes;
  while (sizes.size < length) {
    const auto want = std::min<std::uint64_t>(block.size(), length - sizes.size);
    const auto got = files.pread(fd, std::span(block).first(want), offset + sizes.size);
    if (!got) return fail(got.error());
    if (*got == 0) break;
    ends.count({block.data(), *got});
    sizes.size += *got;
  }
  sizes.virtual_size = sizes.size + ends.bare();
  return sizes;
}

}  // namespace postrider::mailbox
