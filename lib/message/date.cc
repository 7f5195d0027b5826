#include "lib/message/date.h"

#include <array>
#include <ctime>

#include <fmt/core.h>

#include "lib/base/text.h"

namespace postrider::message {
namespace {

constexpr std::array<std::string_view, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct Parts {
  int year;
  unsigned month, day, weekday;
  long hour, minute, second;
  std::string_view month_name() const { return months[month - 1]; }
  std::string_view day_name() const { return days[weekday]; }
};

Parts parts_of(WallTime time, Seconds offset) {
  using namespace std::chrono;
  const auto local = floor<seconds>(time) + offset;
  const auto day = floor<std::chrono::days>(local);
  const year_month_day date(day);
  const hh_mm_ss clock(local - day);
  return {static_cast<int>(date.year()),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          weekday(day).c_encoding(),
          clock.hours().count(),
          clock.minutes().count(),
          clock.seconds().count()};
}

bool safe_zone_name(std::string_view name) {
  for (const char c : name)
    if (!is_alnum(c) && c != '+' && c != '-') return false;
  return !name.empty() && name.size() <= 32;
}

}  // namespace

Zone local_zone(WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  if (::localtime_r(&seconds, &parts) == nullptr) return {};
  return {Seconds{parts.tm_gmtoff}, parts.tm_zone != nullptr ? parts.tm_zone : ""};
}

std::string format_date(WallTime time, const Zone& zone) {
  const Parts p = parts_of(time, zone.offset);
  const long minutes = zone.offset.count() / 60;
  const long ahead = minutes < 0 ? -minutes : minutes;
  std::string out =
      fmt::format("{}, {:2} {} {} {:02}:{:02}:{:02} {}{:02}{:02}", p.day_name(), p.day, p.month_name(),
                  p.year, p.hour, p.minute, p.second, minutes < 0 ? '-' : '+', ahead / 60, ahead % 60);
  if (safe_zone_name(zone.name)) out += fmt::format(" ({})", zone.name);
  return out;
}

std::string format_mbox_date(WallTime time, const Zone& zone) {
  const Parts p = parts_of(time, zone.offset);
  return fmt::format("{} {} {:2} {:02}:{:02}:{:02} {}", p.day_name(), p.month_name(), p.day, p.hour, p.minute,
                     p.second, p.year);
}

std::string make_message_id(WallTime time, std::string_view queue_id, std::string_view hostname) {
  const Parts p = parts_of(time, Seconds{0});
  return fmt::format("<{:04}{:02}{:02}{:02}{:02}{:02}.{}@{}>", p.year, p.month, p.day, p.hour, p.minute,
                     p.second, queue_id, hostname);
}

}  // namespace postrider::message
