#include "lib/queue/queue_id.h"

#include <algorithm>
#include <array>

namespace postrider::queue {

namespace {

// value_, short form:  microseconds << 28 | (seconds mod 2^22) << 6 | slot; the text is its 12 digits.
// value_, long form:   1 << 63 | seconds << 26 | microseconds << 6 | slot.
constexpr std::uint64_t long_bit = 1ULL << 63;
constexpr std::uint64_t second_in_us = 1'000'000;
constexpr std::uint64_t max_long_seconds = 19'770'609'663;  // 52^6 - 1

constexpr std::string_view alphabet = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
static_assert(alphabet.size() == 52);
constexpr std::uint64_t inode_bias = 51ULL * 51 * 51;  // makes the part after 'z' four digits long

void put_base(std::string& into, std::uint64_t value, std::uint64_t base, int digits) {
  const std::size_t start = into.size();
  for (int i = 0; i < digits; ++i, value /= base) into += alphabet[value % base];
  std::reverse(into.begin() + static_cast<std::ptrdiff_t>(start), into.end());
}

std::optional<std::uint64_t> get_base(std::string_view text, std::uint64_t base) {
  std::uint64_t value = 0;
  for (const char c : text) {
    const std::size_t digit = alphabet.find(c);
    if (digit >= base) return std::nullopt;
    value = value * base + digit;
  }
  return value;
}

std::uint64_t microseconds_of(WallTime time) {
  const auto us = time.time_since_epoch().count();
  return us > 0 ? static_cast<std::uint64_t>(us) : 1;
}

bool valid(std::uint64_t value) {
  if ((value & long_bit) == 0) return value != 0 && value >> 28 < second_in_us;
  return (value >> 6 & 0xfffff) < second_in_us && (value & ~long_bit) >> 26 <= max_long_seconds;
}

}  // namespace

QueueId QueueId::make_short(WallTime time, unsigned slot) {
  const std::uint64_t us = microseconds_of(time);
  return QueueId((us % second_in_us) << 28 | (us / second_in_us & 0x3fffff) << 6 | (slot & 63));
}

QueueId QueueId::make_long(WallTime time, unsigned slot) {
  const std::uint64_t us = microseconds_of(time);
  const std::uint64_t seconds = std::min(us / second_in_us, max_long_seconds);
  return QueueId(long_bit | seconds << 26 | (us % second_in_us) << 6 | (slot & 63));
}

std::optional<QueueId> QueueId::from_value(std::uint64_t value) {
  if (!valid(value)) return std::nullopt;
  return QueueId(value);
}

std::optional<QueueId> QueueId::parse(std::string_view text) {
  if (text.size() == 12) {
    std::uint64_t value = 0;
    for (const char c : text) {
      if (c >= '0' && c <= '9')
        value = value << 4 | static_cast<std::uint64_t>(c - '0');
      else if (c >= 'A' && c <= 'F')
        value = value << 4 | static_cast<std::uint64_t>(c - 'A' + 10);
      else
        return std::nullopt;
    }
    return from_value(value);
  }
  if (text.size() != 15 || text[10] != 'z') return std::nullopt;
  const auto seconds = get_base(text.substr(0, 6), 52);
  const auto us = get_base(text.substr(6, 4), 52);
  const auto inode = get_base(text.substr(11, 4), 51);
  if (!seconds || !us || !inode || *us >= second_in_us || *inode < inode_bias ||
      *inode - inode_bias >= slot_count)
    return std::nullopt;
  return QueueId(long_bit | *seconds << 26 | *us << 6 | (*inode - inode_bias));
}

std::string QueueId::text() const {
  std::string text;
  if (value_ == 0) return text;
  if (!is_long()) {
    for (int shift = 44; shift >= 0; shift -= 4) text += "0123456789ABCDEF"[value_ >> shift & 15];
    return text;
  }
  put_base(text, (value_ & ~long_bit) >> 26, 52, 6);
  put_base(text, value_ >> 6 & 0xfffff, 52, 4);
  text += 'z';
  put_base(text, inode_bias + (value_ & 63), 51, 4);
  return text;
}

bool QueueId::is_long() const { return (value_ & long_bit) != 0; }
unsigned QueueId::slot() const { return static_cast<unsigned>(value_ & 63); }

char QueueId::shelf_letter() const {
  const std::uint64_t us = is_long() ? value_ >> 6 & 0xfffff : value_ >> 28;
  return "0123456789ABCDEF"[us >> 16 & 15];
}

QueueId QueueIdSource::next() {
  last_ = std::max(clock_.wall(), last_ + Microseconds{1});
  return long_form_ ? QueueId::make_long(last_, slot_) : QueueId::make_short(last_, slot_);
}

}  // namespace postrider::queue
