#include "qmgr/config.h"

#include <algorithm>

#include "lib/base/text.h"
#include "lib/config/catalogue.h"
#include "lib/config/values.h"

namespace postrider::qmgr {

namespace {

// "0.5" or "1/concurrency"; the latter is returned as a negative number.
Result<double> parse_feedback(const config::Text& setting) {
  const std::string& text = setting();
  const std::size_t slash = text.find('/');
  const auto amount = [&](const std::string& number) -> Result<double> {
    const auto whole = parse_number<unsigned>(number.substr(0, number.find('.')));
    const std::size_t dot = number.find('.');
    double value = whole ? *whole : 2;
    if (dot != std::string::npos) {
      const auto digits = parse_number<unsigned>(number.substr(dot + 1));
      double scale = 1;
      for (std::size_t i = dot + 1; i < number.size(); ++i) scale *= 10;
      value = digits ? value + *digits / scale : 2;
    }
    if (value > 1)
      return fail(Trouble::configuration,
                  setting.name() + ": \"" + text +
                      "\" is no number from 0 to 1, nor such a number with /concurrency");
    return value;
  };
  Result<double> value = amount(text.substr(0, slash));
  if (!value || slash == std::string::npos) return value;
  if (text.substr(slash) != "/concurrency")
    return fail(Trouble::configuration, setting.name() + ": after the / only \"concurrency\" is known");
  return -*value;
}

}  // namespace

Result<TransportSettings> QmgrConfig::transport(const config::Values& values, const std::string& name,
                                                unsigned process_limit) const {
  TransportSettings settings;
  settings.process_limit = process_limit == 0 ? 1000 : process_limit;
  const auto concurrency = service_concurrency.of(values, name);
  if (!concurrency) return std::unexpected(concurrency.error());
  const auto initial = service_initial.of(values, name);
  if (!initial) return std::unexpected(initial.error());
  const auto recipients = service_recipients.of(values, name);
  if (!recipients) return std::unexpected(recipients.error());
  const auto delay = service_rate_delay.of(values, name);
  if (!delay) return std::unexpected(delay.error());
  const auto cohorts = service_failed_cohorts.of(values, name);
  if (!cohorts) return std::unexpected(cohorts.error());
  const auto positive = parse_feedback(positive_feedback);
  if (!positive) return std::unexpected(positive.error());
  const auto negative = parse_feedback(negative_feedback);
  if (!negative) return std::unexpected(negative.error());
  settings.concurrency_limit =
      *concurrency == 0 ? settings.process_limit : static_cast<unsigned>(*concurrency);
  settings.initial_concurrency = std::min(settings.concurrency_limit, static_cast<unsigned>(*initial));
  // A mailbox store is one destination whatever the domain, and cannot be overrun like a remote host:
  // the agents batch what they are given at once.
  const bool stores = name == "local" || name == "virtual" || name == "discard" || name == "error";
  if (stores && !values.is_set(name + "_destination_concurrency_limit"))
    settings.concurrency_limit = settings.initial_concurrency = settings.process_limit;
  settings.recipient_limit = *recipients == 0 ? UINT32_MAX : static_cast<unsigned>(*recipients);
  settings.rate_delay = *delay;
  if (settings.rate_delay.count() > 0) settings.concurrency_limit = settings.initial_concurrency = 1;
  settings.failed_cohort_limit = static_cast<double>(*cohorts);
  settings.positive_feedback = *positive;
  settings.negative_feedback = *negative;
  settings.dead_time = minimal_backoff();
  return settings;
}

void declare_qmgr(config::Catalogue& catalogue) {
  catalogue.add<QmgrConfig>("qmgr");
  catalogue.add<config::Services>("qmgr");
}

}  // namespace postrider::qmgr
