// Little-endian integers and tagged fields, as the on-disk structures of this room are written.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace postrider::queue {

template <class T>
void put(std::string& into, T value) {
  for (std::size_t i = 0; i < sizeof value; ++i)
    into += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xff);
}

// The caller has checked that `at` + sizeof(T) lies inside.
template <class T>
T get(std::string_view bytes, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  return static_cast<T>(value);
}

template <class T>
void put_at(std::string& into, std::size_t at, T value) {
  for (std::size_t i = 0; i < sizeof value; ++i)
    into[at + i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xff);
}

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t to) { return (value + to - 1) / to * to; }

// A field is a varint tag, a varint length and that many bytes; a number is a varint inside.
inline void put_varint(std::string& into, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) into += static_cast<char>((value & 0x7f) | 0x80);
  into += static_cast<char>(value);
}
inline void put_field(std::string& into, unsigned tag, std::string_view bytes) {
  put_varint(into, tag);
  put_varint(into, bytes.size());
  into += bytes;
}
inline void put_number(std::string& into, unsigned tag, std::uint64_t value) {
  std::string bytes;
  put_varint(bytes, value);
  put_field(into, tag, bytes);
}

// Takes a varint off the front; nullopt when it is cut off or over 64 bits.
inline std::optional<std::uint64_t> take_varint(std::string_view& from) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < from.size() && i < 10; ++i) {
    const auto byte = static_cast<unsigned char>(from[i]);
    if (i == 9 && byte > 1) return std::nullopt;
    value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if ((byte & 0x80) == 0) {
      from.remove_prefix(i + 1);
      return value;
    }
  }
  return std::nullopt;
}

struct Field {
  std::uint64_t tag = 0;
  std::string_view bytes;

  // The field as a number; nullopt when it is none or larger than `limit`.
  std::optional<std::uint64_t> number(std::uint64_t limit = UINT64_MAX) const {
    std::string_view rest = bytes;
    const auto value = take_varint(rest);
    if (!value || !rest.empty() || *value > limit) return std::nullopt;
    return value;
  }
};

// The next field, or nullopt when what is left is not one. Views into `from`.
inline std::optional<Field> take_field(std::string_view& from) {
  const auto tag = take_varint(from);
  if (!tag) return std::nullopt;
  const auto length = take_varint(from);
  if (!length || *length > from.size()) return std::nullopt;
  Field field{*tag, from.substr(0, *length)};
  from.remove_prefix(*length);
  return field;
}

}  // namespace postrider::queue
