// Queue ids: the name of a message in logs, in the queue directory and between processes.
//
// Short form, Postfix's look: 12 upper-case hexadecimal digits, five of microseconds and seven of
// (seconds mod 2^22) * 64 + slot. Long form (enable_long_queue_ids): Postfix's vowel-free base 52,
// six digits of seconds, four of microseconds, 'z', four of base 51. The slot (0-63) belongs to one
// writing process at a time, so ids made at the same instant differ. Text that is not exactly what
// text() produces never becomes a QueueId, so an id is always safe as a file name.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/core.h>

#include "lib/base/clock.h"

namespace postrider::queue {

inline constexpr unsigned slot_count = 64;
inline constexpr std::size_t max_queue_id_length = 15;

class QueueId {
 public:
  QueueId() = default;  // empty: no message

  // `slot` < slot_count.
  static QueueId make_short(WallTime time, unsigned slot);
  static QueueId make_long(WallTime time, unsigned slot);
  static std::optional<QueueId> parse(std::string_view text);

  // The number behind the text, for indexes and messages between processes; 0 is empty.
  static std::optional<QueueId> from_value(std::uint64_t value);
  std::uint64_t value() const { return value_; }

  std::string text() const;  // at most max_queue_id_length characters, so it never allocates
  bool is_long() const;
  unsigned slot() const;
  // Directory under deferred/: '0'-'9', 'A'-'F', from the microseconds, so that ids spread evenly.
  char shelf_letter() const;

  explicit operator bool() const { return value_ != 0; }
  auto operator<=>(const QueueId&) const = default;

 private:
  explicit QueueId(std::uint64_t value) : value_(value) {}
  std::uint64_t value_ = 0;
};

// Makes the ids of one process: strictly increasing in time even when the clock is not. One thread.
class QueueIdSource {
 public:
  // Ids are made later than `not_before`, what this slot's former owner may have reached.
  QueueIdSource(const Clock& clock, unsigned slot, bool long_form, WallTime not_before = {})
      : clock_(clock), slot_(slot), long_form_(long_form), last_(not_before) {}
  QueueId next();
  WallTime last() const { return last_; }  // the time inside the newest id

 private:
  const Clock& clock_;
  unsigned slot_;
  bool long_form_;
  WallTime last_;
};

}  // namespace postrider::queue

template <>
struct std::hash<postrider::queue::QueueId> {
  std::size_t operator()(postrider::queue::QueueId id) const noexcept {
    return static_cast<std::size_t>((id.value() * 0x9e3779b97f4a7c15U) >> 7);
  }
};

// Shown as "{}" only.
template <>
struct fmt::formatter<postrider::queue::QueueId> {
  template <class Context>
  constexpr auto parse(Context& context) {
    return context.begin();
  }
  template <class Context>
  auto format(postrider::queue::QueueId id, Context& context) const {
    auto out = context.out();
    for (const char c : id.text()) *out++ = c;
    return out;
  }
};
