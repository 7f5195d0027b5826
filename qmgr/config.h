// What an administrator can tell qmgr, under Postfix's names.
#pragma once

#include "lib/config/common.h"
#include "lib/config/settings.h"
#include "qmgr/scheduler.h"

namespace postrider::config {
class Catalogue;
class Values;
}  // namespace postrider::config

namespace postrider::qmgr {

struct QmgrConfig : config::Section {
  config::Duration minimal_backoff{
      *this,
      "minimal_backoff_time",
      "300s",
      {.min = 1},
      "The shortest time between two attempts to deliver a deferred message, and how "
      "long a destination that cannot be reached is left alone."};
  config::Duration maximal_backoff{*this,
                                   "maximal_backoff_time",
                                   "4000s",
                                   {.min = 1},
                                   "The longest time between two attempts to deliver a deferred message."};
  config::Duration queue_lifetime{*this,
                                  "maximal_queue_lifetime",
                                  "5d",
                                  {.unit = 'd'},
                                  "How old a message may become before it is returned to its sender."};
  config::Duration bounce_lifetime{
      *this, "bounce_queue_lifetime", "5d", {.unit = 'd'}, "The same for messages with the null sender."};
  config::Duration delay_warning{
      *this,
      "delay_warning_time",
      "0h",
      {.unit = 'h'},
      "How old a message may become before its sender is told of the delay; 0: never."};
  config::Boolean disable_verp_bounces{
      *this, "disable_verp_bounces", "no",
      "Report failures of VERP mail in one notification to the sender without the recipient's name."};
  config::Integer active_limit{*this,
                               "qmgr_message_active_limit",
                               "20000",
                               {.min = 1},
                               "How many messages may be in the active queue."};
  config::Integer concurrency_limit{*this,
                                    "default_destination_concurrency_limit",
                                    "20",
                                    {.min = 0},
                                    "How many deliveries to one destination may be under way; 0: no limit."};
  config::Integer initial_concurrency{*this,
                                      "initial_destination_concurrency",
                                      "5",
                                      {.min = 1},
                                      "With how many parallel deliveries a new destination begins."};
  config::Integer recipient_limit{*this,
                                  "default_destination_recipient_limit",
                                  "50",
                                  {.min = 0},
                                  "How many recipients one delivery may have; 0: no limit."};
  config::Text positive_feedback{
      *this,
      "default_destination_concurrency_positive_feedback",
      "1",
      {},
      "By how much a good delivery widens a destination's window: a number from 0 to 1, "
      "or 1/concurrency."};
  config::Text negative_feedback{*this,
                                 "default_destination_concurrency_negative_feedback",
                                 "1",
                                 {},
                                 "By how much a delivery that failed to connect narrows it."};
  config::Integer failed_cohorts{*this,
                                 "default_destination_concurrency_failed_cohort_limit",
                                 "1",
                                 {.min = 1},
                                 "After how many windows full of failures a destination counts as dead."};
  config::FineDuration rate_delay{
      *this,
      "default_destination_rate_delay",
      "0s",
      {},
      "The least time between two deliveries to one destination; ms is a legal unit."};
  config::Duration transport_retry{*this,
                                   "transport_retry_time",
                                   "60s",
                                   {.min = 1},
                                   "How long a delivery agent that cannot be reached is left alone."};

  config::PerService<config::Integer> service_concurrency{*this, "_destination_concurrency_limit",
                                                          concurrency_limit};
  config::PerService<config::Integer> service_initial{*this, "_initial_destination_concurrency",
                                                      initial_concurrency};
  config::PerService<config::Integer> service_recipients{*this, "_destination_recipient_limit",
                                                         recipient_limit};
  config::PerService<config::FineDuration> service_rate_delay{*this, "_destination_rate_delay", rate_delay};
  config::PerService<config::Integer> service_failed_cohorts{
      *this, "_destination_concurrency_failed_cohort_limit", failed_cohorts};

  // What the scheduler needs to know of a transport. `process_limit` is master.cf's maxproc.
  Result<TransportSettings> transport(const config::Values& values, const std::string& name,
                                      unsigned process_limit) const;
};

void declare_qmgr(config::Catalogue& catalogue);

}  // namespace postrider::qmgr
