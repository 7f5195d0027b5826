// Gathers the content of one message on its way into the queue: in memory up to a threshold, then
// in incoming/<id>.content. Destroyed without being submitted it leaves nothing behind.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lib/base/error.h"
#include "lib/os/fd.h"
#include "lib/os/files.h"

namespace postrider::queue {

// In a content file the content starts here; the page before it becomes the header when the file is
// moved to deferred/ or hold/ as it is.
inline constexpr std::uint64_t content_offset = 4096;

class ContentBuffer {
 public:
  // `path` is used once the content exceeds `threshold`.
  ContentBuffer(os::Files& files, std::string path, std::size_t threshold)
      : files_(&files), path_(std::move(path)), threshold_(threshold) {}
  ContentBuffer(ContentBuffer&& other) noexcept;
  ContentBuffer& operator=(ContentBuffer&& other) noexcept;
  ~ContentBuffer();

  // Above the threshold this writes to the page cache and may block for as long as that takes. An
  // error (no_space, temporary) is final: later appends return it again.
  Result<> append(std::string_view bytes);

  std::uint64_t size() const { return size_; }
  std::uint32_t checksum() const { return checksum_; }
  bool in_file() const { return static_cast<bool>(fd_); }

  // Reads back what was gathered; short only at the end.
  Result<std::string> read(std::uint64_t offset, std::size_t length) const;

 private:
  friend class JournalWriter;
  void discard();

  os::Files* files_;
  std::string path_;
  std::size_t threshold_;
  std::string memory_;
  os::Fd fd_;
  std::uint64_t size_ = 0;
  std::uint32_t checksum_ = 0;
  Result<> failed_;
};

}  // namespace postrider::queue
