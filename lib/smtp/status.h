// Enhanced status codes (RFC 3463): the "5.1.1" of replies, logs and delivery reports.
//
// A value of three small numbers; absent when the class is 0. Read from peers' replies and from tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postrider::smtp {

struct Status {
  std::uint8_t kind = 0;      // 2 success, 4 persistent transient, 5 permanent; 0 absent
  std::uint16_t subject = 0;  // 0..999
  std::uint16_t detail = 0;   // 0..999

  bool operator==(const Status&) const = default;
  bool present() const { return kind != 0; }
  bool success() const { return kind == 2; }
  bool transient() const { return kind == 4; }
  bool permanent() const { return kind == 5; }

  // "5.1.1"; "" when absent.
  std::string text() const;
  // The same code in another class: a soft bounce, a report of a delay.
  Status with_kind(std::uint8_t new_kind) const { return {new_kind, subject, detail}; }

  // The whole of `text` is a code.
  static std::optional<Status> parse(std::string_view text);
  // A code at the front of `text`, followed by a blank or the end; taken off with the blanks after it.
  static std::optional<Status> take(std::string_view& text);
};

}  // namespace postrider::smtp
