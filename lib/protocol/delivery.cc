#include "lib/protocol/delivery.h"

#include <algorithm>

#include <fmt/core.h>

namespace postrider::protocol {

namespace {

std::string_view status_word(RecipientOutcome::Kind kind) {
  switch (kind) {
    case RecipientOutcome::Kind::delivered:
    case RecipientOutcome::Kind::expanded:
    case RecipientOutcome::Kind::relayed:
    case RecipientOutcome::Kind::passed_on: return "sent";
    case RecipientOutcome::Kind::deferred: return "deferred";
    case RecipientOutcome::Kind::bounced: return "bounced";
  }
  return "deferred";
}

}  // namespace

std::string format_delay(Microseconds delay, int decimals) {
  const auto micros = std::max<std::int64_t>(0, delay.count());
  const double seconds = static_cast<double>(micros) / 1e6;
  if (seconds >= 10 || decimals == 0) return fmt::format("{:.0f}", seconds);
  // Two significant digits: below 10 s one decimal, below 1 s two, and so on to the limit.
  int digits = 1;
  for (double bound = 1; seconds < bound && digits < decimals; bound /= 10) ++digits;
  std::string text = fmt::format("{:.{}f}", seconds, std::min(digits, decimals));
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string delivery_line(const queue::Recipient& recipient, std::string_view relay, unsigned connection_use,
                          const DeliveryTimes& times, const RecipientOutcome& outcome) {
  const std::string orig_to = recipient.original.empty() || recipient.original == recipient.address
                                  ? std::string()
                                  : fmt::format(" orig_to=<{}>,", recipient.original);
  const std::string use = connection_use > 1 ? fmt::format(" conn_use={},", connection_use) : std::string();
  return fmt::format(
      "to=<{}>,{} relay={},{} delay={}, delays={}/{}/{}/{}, dsn={}, status={} ({})", recipient.address,
      orig_to, relay, use, format_delay(times.finished - times.arrival),
      format_delay(times.activated - times.arrival), format_delay(times.agent_started - times.activated),
      format_delay(times.connected - times.agent_started), format_delay(times.finished - times.connected),
      outcome.dsn, status_word(outcome.kind), outcome.reason);
}

}  // namespace postrider::protocol
