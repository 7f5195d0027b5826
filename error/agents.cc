#include "error/agents.h"

#include "lib/smtp/status.h"

namespace postrider::error {

using protocol::RecipientOutcome;

namespace {

protocol::DeliveryReport same_for_all(const daemon::Job& job, RecipientOutcome::Kind kind,
                                      smtp::Status standard) {
  std::string_view text = job.request.nexthop;
  smtp::Status status = smtp::Status::take(text).value_or(standard);
  // "4.x.y" given to error and "5.x.y" given to retry keep their detail, in the class of what happens.
  status = status.with_kind(standard.kind);
  protocol::DeliveryReport report;
  for (std::uint32_t i = 0; i < job.envelope.recipients.size(); ++i) {
    RecipientOutcome outcome;
    outcome.index = i;
    outcome.kind = kind;
    outcome.dsn = status.text();
    outcome.reason = text;
    report.outcomes.push_back(std::move(outcome));
  }
  return report;
}

}  // namespace

protocol::DeliveryReport bounce_all(const daemon::Job& job) {
  return same_for_all(job, RecipientOutcome::Kind::bounced, {5, 0, 0});
}

protocol::DeliveryReport defer_all(const daemon::Job& job) {
  return same_for_all(job, RecipientOutcome::Kind::deferred, {4, 0, 0});
}

protocol::DeliveryReport discard_all(const daemon::Job& job) {
  return same_for_all(job, RecipientOutcome::Kind::delivered, {2, 0, 0});
}

namespace {

event::Task<protocol::DeliveryReport> answer(daemon::Daemon& daemon, Report report, const daemon::Job& job) {
  protocol::DeliveryReport made = report(job);
  for (const RecipientOutcome& outcome : made.outcomes) daemon::log_outcome(daemon, job, outcome, "none");
  co_return made;
}

}  // namespace

int run(int argc, char** argv, std::string_view name, std::string_view help, Report report) {
  daemon::Daemon daemon(
      argc, argv,
      {.name = name, .run_as = daemon::RunAs::mail_owner, .allowed = {os::Allow::accept}, .help = help});
  if (!daemon.start({})) return daemon.exit_status();
  if (!daemon.enter_sandbox()) return daemon.exit_status();
  return daemon::serve_deliveries(daemon, [&](daemon::Job& job) { return answer(daemon, report, job); });
}

}  // namespace postrider::error
