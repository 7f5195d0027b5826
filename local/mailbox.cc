// The end of the way: a mailbox, a command, another transport, or nobody.

#include <algorithm>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/protocol/services.h"
#include "local/local_agent.h"

namespace postrider::local {

event::Task<RecipientOutcome> LocalAgent::deliver_mailbox(Delivery& delivery, Step step, Name name,
                                                          std::optional<os::User> user) {
  auto transport = co_await look_up(transport_maps_, step.address);
  if (!transport) co_return settle(delivery, step, deferred("4.3.0", "mailbox_transport_maps lookup failed"));
  const std::string chosen = transport->value_or(settings_.local.mailbox_transport());
  if (!chosen.empty()) {
    RecipientOutcome outcome = co_await pass_on(delivery, std::move(step), chosen);
    co_return outcome;
  }
  if (!user) {
    RecipientOutcome outcome = co_await deliver_unknown(delivery, std::move(step), std::move(name));
    co_return outcome;
  }
  // However many ways lead to a user, he gets one copy.
  if (!delivery.seen.insert("mailbox of " + user->name).second) co_return delivered("");
  if (around_.as_root && user->uid == 0) {
    around_.log.warning("mail for {} needs an alias: it is never delivered with root's rights", user->name);
    co_return settle(delivery, step, deferred("4.3.5", "mail system configuration error"));
  }

  auto command = co_await look_up(command_maps_, step.address);
  if (!command) co_return settle(delivery, step, deferred("4.3.0", "mailbox_command_maps lookup failed"));
  const std::string raw_command = command->value_or(settings_.local.mailbox_command());
  const Identity rights = rights_of(*user);
  if (!raw_command.empty()) {
    auto expanded = expand_macros(raw_command, macros(step, name, &*user), settings_.local.command_filter());
    if (!expanded) {
      around_.log.warning("mailbox_command: {}", expanded.error().text());
      co_return settle(delivery, step, deferred("4.3.5", "mail system configuration error"));
    }
    RecipientOutcome outcome =
        co_await deliver_command(delivery, std::move(step), std::move(*expanded), std::move(user), rights);
    co_return outcome;
  }

  std::string path;
  if (!settings_.local.home_mailbox().empty()) {
    path = fmt::format("{}/{}", user->home, settings_.local.home_mailbox());
  } else {
    const auto& spool = settings_.local.spool();
    path = spool.ends_with('/') ? fmt::format("{}{}/", spool, user->name)
                                : fmt::format("{}/{}", spool, user->name);
  }
  const std::string success = path.ends_with('/') ? "delivered to maildir" : "delivered to mailbox";
  RecipientOutcome outcome =
      co_await deliver_file(delivery, std::move(step), std::move(path), std::move(user), rights, success);
  co_return outcome;
}

// `user` is set for a user's own mailbox, not for files that aliases name.
event::Task<RecipientOutcome> LocalAgent::deliver_file(Delivery& delivery, Step step, std::string path,
                                                       std::optional<os::User> user, Identity rights,
                                                       std::string success) {
  const auto limit = static_cast<std::uint64_t>(settings_.limits.mailbox_size_limit());
  Mail mail = delivery.letter.mail(head(delivery, step, "file"), step.ancestors);
  if (path.ends_with('/')) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    const Ending ending = co_await crew_.store(rights, {std::move(path), limit, std::move(mail)});
    co_return settle(delivery, step, outcome_of(ending, success, "maildir delivery failed: "));
  }

  const std::string what = user ? fmt::format("cannot update mailbox {} for user {}. ", path, user->name)
                                : fmt::format("cannot append message to file {}: ", path);
  if (user && settings_.local.home_mailbox().empty()) {
    // A spool that its group may write to needs that group for lock files and new mailboxes.
    Result<os::FileStatus> spool = fail(Trouble::temporary, "");
    co_await directory_.ask([&] { spool = around_.files.stat(settings_.local.spool()); });
    if (spool && (spool->mode & 0022) == 0020 && spool->gid != 0) rights.spool_group = spool->gid;
  }
  MboxJob job;
  job.path = path;
  job.separator = separator_line(step.sender, around_.loop.clock().wall());
  for (const auto& method : settings_.local.mailbox_lock()) job.locks += method + " ";
  job.lock_attempts = static_cast<std::uint32_t>(settings_.delivery.lock_attempts());
  job.lock_delay = settings_.delivery.lock_delay();
  job.stale_lock = settings_.delivery.stale_lock();
  job.size_limit = limit;
  job.must_own = user.has_value() && settings_.local.strict_ownership();
  job.dotlock_may_fail = !user;
  job.mail = std::move(mail);

  const Ending ending = co_await crew_.append(rights, std::move(job));
  co_return settle(delivery, step, outcome_of(ending, success, what));
}

event::Task<RecipientOutcome> LocalAgent::deliver_command(Delivery& delivery, Step step, std::string command,
                                                          std::optional<os::User> user, Identity rights) {
  const Name name = take_apart(step.address);
  const MacroSource source = macros(step, name, user ? &*user : nullptr);
  CommandJob job;
  job.arguments = {"/bin/sh", "-c", command};
  job.environment = command_environment(source, delivery.letter.envelope(), delivery.recipient, step.sender,
                                        around_.environment, settings_.local.command_filter());
  const auto directory =
      expand_macros(settings_.local.command_directory(), source, settings_.local.directory_filter());
  if (!directory) co_return settle(delivery, step, deferred("4.3.5", "mail system configuration error"));
  job.directory = *directory;
  job.time_limit = settings_.delivery.command_time_limit();
  job.mail = delivery.letter.mail(
      separator_line(step.sender, around_.loop.clock().wall()) + head(delivery, step, "command"),
      step.ancestors);
  const auto ended =
      co_await crew_.run<CommandEnded>(rights, job, settings_.delivery.command_time_limit() + Seconds{60});
  if (!ended) co_return settle(delivery, step, deferred("4.3.0", ended.error().text()));
  co_return settle(delivery, step, outcome_of(*ended, "delivered to command: " + command, command));
}

event::Task<RecipientOutcome> LocalAgent::deliver_unknown(Delivery& delivery, Step step, Name name) {
  auto transport = co_await look_up(fallback_maps_, step.address);
  if (!transport)
    co_return settle(delivery, step, deferred("4.3.0", "fallback_transport_maps lookup failed"));
  const std::string chosen = transport->value_or(settings_.local.fallback_transport());
  if (!chosen.empty()) {
    RecipientOutcome outcome = co_await pass_on(delivery, std::move(step), chosen);
    co_return outcome;
  }
  const bool special = iequals(name.user, "postmaster") || iequals(name.user, "mailer-daemon");
  if (!settings_.local.luser_relay().empty() && step.forwarded.empty()) {
    auto address = expand_macros(settings_.local.luser_relay(), macros(step, name, nullptr),
                                 settings_.local.command_filter());
    if (address && !address->empty()) {
      // Marked as a forward, so that a luser_relay which is unknown itself does not come here again.
      step.forwarded.emplace_back("");
      delivery.expanded = true;
      RecipientOutcome outcome = co_await deliver_addresses(delivery, std::move(step), {std::move(*address)});
      co_return outcome;
    }
  }
  if (special) {
    // Bounces and complaints end here; to return them would only make more.
    around_.log.warning("{}: required alias not found: {}", delivery.letter.envelope().id, name.user);
    co_return settle(delivery, step, delivered("discarded"));
  }
  co_return settle(delivery, step, bounced("5.1.1", fmt::format("unknown user: \"{}\"", name.user)));
}

// To another delivery agent, which reports and logs by itself.
event::Task<RecipientOutcome> LocalAgent::pass_on(Delivery& delivery, Step step, std::string transport) {
  const auto colon = transport.find(':');
  const std::string service = transport.substr(0, colon);
  auto& pool = transports_[service];
  if (!pool) {
    pool = std::make_unique<ipc::Pool>(around_.loop, protocol::private_service(service), 20, around_.stop);
  }
  const auto& letter = delivery.letter;
  queue::Envelope envelope = letter.envelope();
  envelope.sender = step.sender;
  envelope.recipients = {delivery.recipient};
  envelope.recipients[0].address = step.address;
  if (envelope.recipients[0].original.empty()) envelope.recipients[0].original = delivery.recipient.address;
  auto encoded = queue::encode(envelope);
  if (!encoded) co_return settle(delivery, step, bounced("5.1.3", encoded.error().text()));
  protocol::DeliveryRequest request;
  request.envelope = std::move(*encoded);
  request.nexthop = colon == std::string::npos || colon + 1 == transport.size()
                        ? take_apart(step.address).domain
                        : transport.substr(colon + 1);
  request.queue_name = letter.request().queue_name;
  Result<queue::Content> content = letter.request().content.share();
  if (!content) co_return settle(delivery, step, deferred("4.3.0", content.error().text()));
  request.content = std::move(*content);
  request.activated = letter.request().activated;
  auto report = co_await pool->ask<protocol::DeliveryReport>(request, around_.loop.after(Seconds{3600}));
  if (!report) co_return settle(delivery, step, deferred("4.3.0", "mail transport unavailable"));
  if (report->outcomes.empty()) {
    co_return deferred(
        report->destination_dsn.empty() ? "4.3.0" : report->destination_dsn,
        report->destination_reason.empty() ? "delivery temporarily suspended" : report->destination_reason);
  }
  co_return std::move(report->outcomes[0]);
}

}  // namespace postrider::local
