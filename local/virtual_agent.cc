#include "local/virtual_agent.h"

#include <fmt/core.h>

#include "lib/base/text.h"

namespace postrider::local {

namespace {

// Tables may be patterns that put pieces of the address into the path.
bool stays_below(std::string_view path) {
  for (const auto part : split(path, '/')) {
    if (part == "..") return false;
  }
  return path.find('\0') == std::string_view::npos;
}

}  // namespace

VirtualAgent::VirtualAgent(Surroundings around, const VirtualSettings& settings)
    : around_(std::move(around)),
      settings_(settings),
      crew_(around_.loop, around_.log, around_.tasks, around_.stop, around_.as_root),
      directory_(around_.loop, table_context(around_.files, around_.log, around_.loop.clock(),
                                             settings.tables, settings.limits)),
      mailboxes_(around_.loop, around_.tasks),
      mailbox_maps_(open_maps(settings.domains.virtual_mailbox_maps, directory_.context())),
      uid_maps_(open_maps(settings.box.uid_maps, directory_.context())),
      gid_maps_(open_maps(settings.box.gid_maps, directory_.context())) {
  rules_.delimiters = settings.domains.recipient_delimiter();
}

event::Task<> VirtualAgent::handle(ipc::Call call, ipc::Frame frame) {
  const auto letter = Letter::open(std::move(frame), around_.loop.clock().wall());
  if (!letter) throw io::Ended{io::Ended::Why::lost, letter.error().text()};
  protocol::DeliveryReport report;
  event::TaskScope recipients(around_.loop);
  for (std::uint32_t i = 0; i < letter->envelope().recipients.size(); ++i) {
    recipients.spawn(deliver(*letter, i, report));
  }
  co_await recipients.join();
  answer_unless_stopped(call, report, around_.stop);
}

event::Task<> VirtualAgent::deliver(const Letter& letter, std::uint32_t index,
                                    protocol::DeliveryReport& report) {
  const auto& recipient = letter.envelope().recipients[index];
  RecipientOutcome outcome;
  bool stopped = false;
  try {
    outcome = co_await deliver_recipient(letter, recipient);
  } catch (const io::Ended&) {
    stopped = true;
  }
  if (stopped) outcome = deferred("4.3.0", "delivery agent is stopping");
  if (settings_.limits.soft_bounce()) soften(outcome);
  outcome.index = index;
  const bool cut_short = around_.stop.stopped() && outcome.kind == RecipientOutcome::Kind::deferred;
  if (!cut_short)
    letter.log(around_.log, around_.service_name, recipient, outcome, around_.loop.clock().wall());
  report.outcomes.push_back(std::move(outcome));
}

Result<std::uint32_t> VirtualAgent::find_id(const table::Maps& maps, const std::string& address,
                                            std::int64_t least) const {
  const auto hit = table::find_address(maps, address, rules_);
  if (!hit) return fail(hit.error());
  if (!*hit)
    return fail(Trouble::configuration, fmt::format("recipient {}: not found in {}", address, maps.title()));
  const auto id = parse_number<std::uint32_t>(trim((*hit)->value));
  if (!id || *id < least || *id == static_cast<std::uint32_t>(-1)) {
    return fail(Trouble::configuration,
                fmt::format("recipient {}: bad value \"{}\" in {}", address, (*hit)->value, maps.title()));
  }
  return *id;
}

Result<VirtualAgent::Mailbox> VirtualAgent::find(const std::string& address) const {
  auto hit = table::find_address(mailbox_maps_, address, rules_);
  if (!hit) return fail(hit.error());
  if (!*hit) return fail(Trouble::not_found, fmt::format("unknown user: \"{}\"", address));
  Mailbox mailbox;
  const auto& base = settings_.box.base();
  mailbox.path = base.empty() ? (*hit)->value : fmt::format("{}/{}", base, (*hit)->value);
  if (!mailbox.path.starts_with('/') || !stays_below(mailbox.path) || (*hit)->value.empty()) {
    return fail(Trouble::configuration,
                fmt::format("recipient {}: bad mailbox \"{}\"", address, mailbox.path));
  }
  if (!around_.as_root) return mailbox;
  const auto uid = find_id(uid_maps_, address, settings_.box.minimum_uid());
  if (!uid) return fail(uid.error());
  const auto gid = find_id(gid_maps_, address, 1);
  if (!gid) return fail(gid.error());
  mailbox.rights = {*uid, *gid, {}};
  return mailbox;
}

event::Task<Result<VirtualAgent::Mailbox>> VirtualAgent::ask_for(std::string address) {
  Result<Mailbox> mailbox = fail(Trouble::temporary, "");
  co_await directory_.ask([&] { mailbox = find(address); });
  co_return mailbox;
}

event::Task<RecipientOutcome> VirtualAgent::deliver_recipient(const Letter& letter,
                                                              const queue::Recipient& recipient) {
  const std::string address = lower(recipient.address);
  const Result<Mailbox> mailbox =
      co_await mailboxes_.ask(address, [this, address] { return ask_for(address); });
  if (!mailbox) {
    if (mailbox.error().is(Trouble::not_found)) co_return bounced("5.1.1", mailbox.error().text());
    around_.log.warning("{}", mailbox.error().text());
    if (mailbox.error().is(Trouble::configuration))
      co_return deferred("4.3.5", "mail system configuration error");
    co_return deferred("4.3.0", "mailbox lookup failed");
  }

  const auto limit = static_cast<std::uint64_t>(settings_.limits.virtual_mailbox_limit());
  Mail mail =
      letter.mail(make_head(letter.envelope().sender, recipient, recipient.address, {}), {recipient.address});
  std::string path = mailbox->path;
  if (path.ends_with('/')) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    const Ending ending = co_await crew_.store(mailbox->rights, {std::move(path), limit, std::move(mail)});
    co_return outcome_of(ending, "delivered to maildir", "maildir delivery failed: ");
  }

  const std::string what = fmt::format("cannot update mailbox {} for user {}. ", path, address);
  MboxJob job;
  job.path = path;
  job.separator = separator_line(letter.envelope().sender, around_.loop.clock().wall());
  for (const auto& method : settings_.box.mailbox_lock()) job.locks += method + " ";
  job.lock_attempts = static_cast<std::uint32_t>(settings_.delivery.lock_attempts());
  job.lock_delay = settings_.delivery.lock_delay();
  job.stale_lock = settings_.delivery.stale_lock();
  job.size_limit = limit;
  job.must_own = true;
  job.mail = std::move(mail);
  const Ending ending = co_await crew_.append(mailbox->rights, std::move(job));
  co_return outcome_of(ending, "delivered to mailbox", what);
}

}  // namespace postrider::local
