#include "lib/ipc/codec.h"

#include <algorithm>

namespace postrider::ipc {

void Encoder::number(std::uint64_t value) {
  while (value >= 0x80) {
    bytes_ += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  bytes_ += static_cast<char>(value);
}

void Encoder::text(const std::string& value, std::size_t most) {
  const std::size_t size = std::min(value.size(), most);
  number(size);
  bytes_.append(value, 0, size);
}

void Encoder::texts(const std::vector<std::string>& values, std::size_t most, std::size_t most_each) {
  const std::size_t count = std::min(values.size(), most);
  number(count);
  for (std::size_t i = 0; i < count; ++i) text(values[i], most_each);
}

std::uint64_t Decoder::number() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (bytes_.empty()) break;
    const auto byte = static_cast<unsigned char>(bytes_.front());
    bytes_.remove_prefix(1);
    if (shift == 63 && byte > 1) break;  // more than 64 bits
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  fail();
  return 0;
}

void Decoder::flag(bool& value) {
  if (bytes_.empty() || static_cast<unsigned char>(bytes_.front()) > 1) return fail();
  value = bytes_.front() != 0;
  bytes_.remove_prefix(1);
}

void Decoder::text(std::string& value, std::size_t most) {
  const std::uint64_t size = number();
  if (failed_ || size > most || size > bytes_.size()) return fail();
  value.assign(bytes_.substr(0, size));
  bytes_.remove_prefix(size);
}

std::size_t Decoder::count(std::size_t most) {
  const std::uint64_t count = number();
  if (failed_ || count > most || count > bytes_.size()) {
    fail();
    return 0;
  }
  return count;
}

void Decoder::texts(std::vector<std::string>& values, std::size_t most, std::size_t most_each) {
  values.clear();
  const std::size_t size = count(most);
  for (std::size_t i = 0; i < size && !failed_; ++i) text(values.emplace_back(), most_each);
}

void Decoder::fd(os::Fd& value) {
  bool present = false;
  flag(present);
  if (failed_ || !present) return;
  if (next_descriptor_ == descriptors_.size()) return fail();
  value = std::move(descriptors_[next_descriptor_++]);
}

}  // namespace postrider::ipc
