#include "lib/queue/content_buffer.h"

#include <fcntl.h>

#include <algorithm>
#include <span>
#include <utility>

#include "lib/base/crc32c.h"

namespace postrider::queue {

ContentBuffer::ContentBuffer(ContentBuffer&& other) noexcept
    : files_(other.files_),
      path_(std::move(other.path_)),
      threshold_(other.threshold_),
      memory_(std::move(other.memory_)),
      fd_(std::move(other.fd_)),
      size_(std::exchange(other.size_, 0)),
      checksum_(std::exchange(other.checksum_, 0)),
      failed_(std::move(other.failed_)) {}

ContentBuffer& ContentBuffer::operator=(ContentBuffer&& other) noexcept {
  if (this != &other) {
    discard();
    files_ = other.files_;
    path_ = std::move(other.path_);
    threshold_ = other.threshold_;
    memory_ = std::move(other.memory_);
    fd_ = std::move(other.fd_);
    size_ = std::exchange(other.size_, 0);
    checksum_ = std::exchange(other.checksum_, 0);
    failed_ = std::move(other.failed_);
  }
  return *this;
}

ContentBuffer::~ContentBuffer() { discard(); }

void ContentBuffer::discard() {
  if (!fd_) return;
  fd_.reset();
  (void)files_->unlink(path_);
}

Result<> ContentBuffer::append(std::string_view bytes) {
  if (!failed_) return failed_;
  if (!fd_ && size_ + bytes.size() > threshold_) {
    auto fd = files_->open(path_, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
    if (!fd) return failed_ = fail(fd.error());
    fd_ = std::move(*fd);
    if (auto written = files_->pwrite(fd_.get(), memory_, content_offset); !written) return failed_ = written;
    memory_ = {};
  }
  if (fd_) {
    if (auto written = files_->pwrite(fd_.get(), bytes, content_offset + size_); !written)
      return failed_ = written;
  } else {
    memory_ += bytes;
  }
  size_ += bytes.size();
  checksum_ = crc32c(bytes, checksum_);
  return {};
}

Result<std::string> ContentBuffer::read(std::uint64_t offset, std::size_t length) const {
  if (!failed_) return fail(failed_.error());
  if (offset >= size_) return std::string();
  length = static_cast<std::size_t>(std::min<std::uint64_t>(length, size_ - offset));
  if (!fd_) return memory_.substr(static_cast<std::size_t>(offset), length);
  std::string bytes(length, '\0');
  for (std::size_t have = 0; have < length;) {
    const auto got = files_->pread(fd_.get(), std::span(bytes).subspan(have), content_offset + offset + have);
    if (!got) return fail(got.error());
    if (*got == 0) return fail(Trouble::temporary, "content file is shorter than what was written");
    have += *got;
  }
  return bytes;
}

}  // namespace postrider::queue
