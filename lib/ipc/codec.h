// How the fields of a message become bytes and back. Every field that can vary in length states its
// cap; decoding past a cap, past the end or with bytes left over fails and allocates nothing for it.
//
// A message declares its fields once and is visited by the Encoder and by the Decoder:
//
//   struct Resolve {
//     static constexpr std::string_view name = "rewrite.resolve/1";
//     std::string address;
//     std::vector<Option> options;
//     os::Fd content;
//     template <class Self, class V>
//     static void fields(Self& self, V& v) {
//       v.text(self.address, 1024);
//       v.list(self.options, 100);   // Option has fields of its own
//       v.fd(self.content);
//     }
//   };
//
// Numbers are LEB128, texts length-prefixed, enumerations checked against their last value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "lib/base/clock.h"
#include "lib/os/fd.h"

namespace postrider::ipc {

// Identifies a message on the wire: FNV-1a of its name, version included.
constexpr std::uint32_t message_tag(std::string_view name) {
  std::uint32_t hash = 2166136261U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

class Encoder {
 public:
  // Descriptors are duplicated by the kernel on sending; the message keeps its own.
  Encoder(std::string& bytes, std::vector<int>& descriptors) : bytes_(bytes), descriptors_(descriptors) {}

  void number(std::uint64_t value);
  template <class T>
    requires std::is_unsigned_v<T>
  void number(const T& value, std::uint64_t /*most*/) {
    number(static_cast<std::uint64_t>(value));
  }
  void signed_number(const std::int64_t& value) {
    number((static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63));
  }
  void flag(const bool& value) { bytes_ += value ? '\1' : '\0'; }
  template <class E>
  void word(const E& value, E /*last*/) {
    number(static_cast<std::uint64_t>(value));
  }
  void time(const WallTime& value) { signed_number(value.time_since_epoch().count()); }
  void duration(const Microseconds& value) { signed_number(value.count()); }
  // A text over its cap is a mistake of the sender: it is cut, and the receiver never sees more.
  void text(const std::string& value, std::size_t most);
  void texts(const std::vector<std::string>& values, std::size_t most, std::size_t most_each);
  template <class M>
  void list(const std::vector<M>& values, std::size_t most) {
    const std::size_t count = values.size() < most ? values.size() : most;
    number(count);
    for (std::size_t i = 0; i < count; ++i) M::fields(values[i], *this);
  }
  template <class M>
  void part(const M& value) {
    M::fields(value, *this);
  }
  void fd(const os::Fd& value) {
    flag(static_cast<bool>(value));
    if (value) descriptors_.push_back(value.get());
  }

 private:
  std::string& bytes_;
  std::vector<int>& descriptors_;
};

class Decoder {
 public:
  // Descriptors are moved out of `descriptors` as the fields ask for them.
  Decoder(std::string_view bytes, std::vector<os::Fd>& descriptors)
      : bytes_(bytes), descriptors_(descriptors) {}

  bool failed() const { return failed_; }
  // Nothing failed and nothing is left over.
  bool complete() const { return !failed_ && bytes_.empty() && next_descriptor_ == descriptors_.size(); }

  std::uint64_t number();
  template <class T>
    requires std::is_unsigned_v<T>
  void number(T& value, std::uint64_t most) {
    const std::uint64_t got = number();
    if (got > most || got > static_cast<T>(-1)) return fail();
    value = static_cast<T>(got);
  }
  void signed_number(std::int64_t& value) {
    const std::uint64_t got = number();
    value = static_cast<std::int64_t>(got >> 1) ^ -static_cast<std::int64_t>(got & 1);
  }
  void flag(bool& value);
  template <class E>
  void word(E& value, E last) {
    const std::uint64_t got = number();
    if (got > static_cast<std::uint64_t>(last)) return fail();
    value = static_cast<E>(got);
  }
  void time(WallTime& value) {
    std::int64_t micros = 0;
    signed_number(micros);
    value = WallTime(Microseconds(micros));
  }
  void duration(Microseconds& value) {
    std::int64_t micros = 0;
    signed_number(micros);
    value = Microseconds(micros);
  }
  void text(std::string& value, std::size_t most);
  void texts(std::vector<std::string>& values, std::size_t most, std::size_t most_each);
  template <class M>
  void list(std::vector<M>& values, std::size_t most) {
    values.clear();
    const std::size_t count = this->count(most);
    for (std::size_t i = 0; i < count && !failed_; ++i) M::fields(values.emplace_back(), *this);
  }
  template <class M>
  void part(M& value) {
    M::fields(value, *this);
  }
  void fd(os::Fd& value);

 private:
  void fail() { failed_ = true; }
  // A list's length: within its cap and not more than bytes are left, since each item takes one.
  std::size_t count(std::size_t most);

  std::string_view bytes_;
  std::vector<os::Fd>& descriptors_;
  std::size_t next_descriptor_ = 0;
  bool failed_ = false;
};

}  // namespace postrider::ipc
