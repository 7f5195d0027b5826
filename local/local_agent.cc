#include "local/local_agent.h"

#include <algorithm>
#include <tuple>

#include <fmt/core.h>

#include "lib/address/address.h"
#include "lib/base/text.h"
#include "lib/protocol/services.h"

namespace postrider::local {

namespace {

constexpr unsigned deepest = 100;  // aliases within aliases

table::AddressRules rules_of(const config::Domains& domains) {
  table::AddressRules rules;
  rules.delimiters = domains.recipient_delimiter();
  // Every recipient that comes here is local: tables may name it without its domain.
  rules.is_local = [](std::string_view) -> Result<bool> { return true; };
  return rules;
}

}  // namespace

LocalAgent::LocalAgent(Surroundings around, const LocalSettings& settings)
    : around_(std::move(around)),
      settings_(settings),
      crew_(around_.loop, around_.log, around_.tasks, around_.stop, around_.as_root),
      rules_(rules_of(settings.domains)),
      directory_(around_.loop, table_context(around_.files, around_.log, around_.loop.clock(),
                                             settings.tables, settings.limits)),
      aliases_(settings.domains.alias_maps, directory_.context(), rules_,
               settings.local.owner_request_special()),
      names_(around_.loop, around_.tasks),
      forwards_(around_.loop, around_.tasks),
      transport_maps_(open_maps(settings.local.mailbox_transport_maps, directory_.context())),
      command_maps_(open_maps(settings.local.mailbox_command_maps, directory_.context())),
      fallback_maps_(open_maps(settings.local.fallback_transport_maps, directory_.context())),
      rewrite_(around_.loop, protocol::private_service(settings.services.rewrite_service_name()), 8,
               around_.stop),
      cleanup_path_(protocol::public_service(settings.services.cleanup_service_name())) {}

Result<> LocalAgent::open() {
  if (!around_.as_root) return {};
  for (const auto& [parameter, account, rights] :
       {std::tuple("default_privs", &around_.default_privs, &default_rights_),
        std::tuple("mail_owner", &around_.mail_owner, &queue_rights_)}) {
    const auto found = find_identity(*account);
    if (!found) return fail(found.error().within(parameter));
    if (found->uid == 0) {
      return fail(Trouble::configuration, fmt::format("{}: must not be a privileged user", parameter));
    }
    *rights = *found;
  }
  return {};
}

event::Task<> LocalAgent::handle(ipc::Call call, ipc::Frame frame) {
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

event::Task<> LocalAgent::deliver(const Letter& letter, std::uint32_t index,
                                  protocol::DeliveryReport& report) {
  const auto& recipient = letter.envelope().recipients[index];
  Delivery delivery{letter, recipient, {}, {}, false};
  Step step;
  step.address = recipient.address;
  step.sender = letter.envelope().sender;
  RecipientOutcome outcome;
  bool stopped = false;
  try {
    outcome = co_await deliver_address(delivery, std::move(step));
    // What is deferred comes again as a whole, and its forwards with it.
    if (outcome.kind != RecipientOutcome::Kind::deferred && !delivery.forwards.empty()) {
      RecipientOutcome forwarded = co_await send_forwards(delivery);
      if (outcome.kind == RecipientOutcome::Kind::delivered ||
          forwarded.kind == RecipientOutcome::Kind::deferred) {
        outcome = std::move(forwarded);
      }
    }
  } catch (const io::Ended&) {
    stopped = true;  // the process ends; qmgr tries again
  }
  if (stopped) outcome = deferred("4.3.0", "delivery agent is stopping");
  if (outcome.kind == RecipientOutcome::Kind::delivered && delivery.expanded) {
    outcome.kind = RecipientOutcome::Kind::expanded;
  }
  outcome.index = index;
  report.outcomes.push_back(std::move(outcome));
}

LocalAgent::Name LocalAgent::take_apart(const std::string& address) const {
  Name name;
  const auto parts = table::split_address(address);
  name.local = lower(parts.local_part);
  name.domain = std::string(parts.domain.value_or(""));
  const auto split = address::split_extension(name.local, rules_.delimiters);
  name.user = std::string(split.user);
  if (split.present) {
    name.delimiter = name.local[split.user.size()];
    name.extension = std::string(split.extension);
  }
  return name;
}

MacroSource LocalAgent::macros(const Step& step, const Name& name, const os::User* user) const {
  return {step.address, name.local, name.domain, name.user, name.extension, name.delimiter, user};
}

// Logs what became of one destination; what comes back is counted for the whole recipient.
RecipientOutcome LocalAgent::settle(const Delivery& delivery, const Step& step, RecipientOutcome outcome) {
  if (settings_.limits.soft_bounce()) soften(outcome);
  queue::Recipient shown = delivery.recipient;
  shown.address = step.address;
  if (shown.original.empty()) shown.original = delivery.recipient.address;
  delivery.letter.log(around_.log, around_.service_name, shown, outcome, around_.loop.clock().wall());
  return outcome;
}

std::string LocalAgent::head(const Delivery& delivery, const Step& step, std::string_view kind) const {
  const auto& wanted = settings_.local.prepend_delivered();
  HeadFields fields;
  fields.delivered =
      std::any_of(wanted.begin(), wanted.end(), [&](const auto& word) { return iequals(word, kind); });
  return make_head(step.sender, delivery.recipient, delivery.recipient.address, fields);
}

event::Task<Result<std::optional<std::string>>> LocalAgent::look_up(const table::Maps& maps,
                                                                    std::string address) {
  if (maps.empty()) co_return std::nullopt;
  table::Found found = std::nullopt;
  co_await directory_.ask([&] { found = table::find_address(maps, address, rules_); });
  if (!found) co_return fail(found.error());
  if (!*found) co_return std::nullopt;
  co_return std::move((*found)->value);
}

event::Task<LocalAgent::Known> LocalAgent::find_name(Name name, bool ask_aliases) {
  Known known;
  co_await directory_.ask([&] {
    if (ask_aliases) known.alias = aliases_.find(name.local);
    if (known.alias && !*known.alias) known.user = os::find_user(name.user);
  });
  co_return known;
}

// An alias, a user, or nobody.
event::Task<RecipientOutcome> LocalAgent::deliver_address(Delivery& delivery, Step step) {
  const Name name = take_apart(step.address);
  const std::string key = lower(step.address);
  if (++step.depth > deepest) {
    co_return settle(delivery, step, bounced("5.4.6", "mail forwarding loop for " + step.address));
  }
  // An alias that leads back to itself means the mailbox of that name.
  const bool met = std::find(step.ancestors.begin(), step.ancestors.end(), key) != step.ancestors.end();
  step.ancestors.push_back(key);

  const bool ask_aliases = !step.aliases_done && !met;
  Known known = co_await names_.ask((ask_aliases ? "alias " : "user ") + name.local,
                                    [this, name, ask_aliases] { return find_name(name, ask_aliases); });
  auto& [alias, user] = known;
  if (!alias) {
    around_.log.warning("alias_maps: {}", alias.error().text());
    co_return settle(delivery, step, deferred("4.3.0", "alias database unavailable"));
  }
  if (*alias) {
    delivery.expanded = true;
    RecipientOutcome outcome = co_await deliver_alias(delivery, std::move(step), std::move(**alias));
    co_return outcome;
  }
  if (!user)
    co_return settle(delivery, step, deferred("4.3.0", "user lookup failed: " + user.error().text()));
  if (*user) {
    RecipientOutcome outcome = co_await deliver_user(delivery, std::move(step), name, std::move(**user));
    co_return outcome;
  }
  RecipientOutcome outcome = co_await deliver_mailbox(delivery, std::move(step), name, std::nullopt);
  co_return outcome;
}

// The user's .forward if there is one, else the mailbox.
event::Task<RecipientOutcome> LocalAgent::deliver_user(Delivery& delivery, Step step, Name name,
                                                       os::User user) {
  if (settings_.local.require_home()) {
    Result<os::FileStatus> home = fail(Trouble::temporary, "");
    co_await directory_.ask([&] { home = around_.files.stat(user.home); });
    if (!home) {
      co_return settle(
          delivery, step,
          deferred("4.3.0", fmt::format("cannot access user {} home directory {}", user.name, user.home)));
    }
  }
  const bool own_forward =
      std::find(step.forwarded.begin(), step.forwarded.end(), user.name) == step.forwarded.end();
  if (own_forward) {
    auto targets = co_await find_forward(delivery, step, name, user);
    if (!targets) co_return settle(delivery, step, deferred("4.3.0", targets.error().text()));
    // An empty file means nothing.
    if (*targets && !(*targets)->targets.empty()) {
      delivery.expanded = true;
      step.forwarded.push_back(user.name);
      step.rights = rights_of(user);
      step.context = user;
      RecipientOutcome outcome = co_await deliver_targets(delivery, std::move(step),
                                                          std::move((*targets)->targets), Source::forward);
      co_return outcome;
    }
  }
  RecipientOutcome outcome =
      co_await deliver_mailbox(delivery, std::move(step), std::move(name), std::move(user));
  co_return outcome;
}

// The first of forward_path that exists and is fit to be believed; an error to try again later.
event::Task<Result<std::optional<Targets>>> LocalAgent::find_forward(const Delivery& delivery,
                                                                     const Step& step, const Name& name,
                                                                     const os::User& user) {
  const auto& paths = settings_.local.forward_path();
  if (paths.empty() || !user.home.starts_with('/') || (around_.as_root && user.uid == 0))
    co_return std::nullopt;
  const MacroSource source = macros(step, name, &user);
  std::vector<std::string> tried;
  for (const auto item : split_any(paths, ", \t\r\n")) {
    const auto path = expand_macros(item, source, settings_.local.forward_filter());
    if (!path) {
      around_.log.warning("forward_path: {}", path.error().text());
      continue;
    }
    // An extension that is none leaves a name that was tried, or one in another directory.
    if (!path->starts_with('/') || path->find("/../") != std::string::npos) continue;
    if (std::find(tried.begin(), tried.end(), *path) != tried.end()) continue;
    tried.push_back(*path);
    const Identity rights = rights_of(user);
    auto targets = co_await forwards_.ask(fmt::format("{} {} {}", rights.uid, rights.gid, *path),
                                          [this, rights, job = TargetsJob{*path, true}] {
                                            return crew_.run<Targets>(rights, job, Seconds{60});
                                          });
    if (!targets) co_return fail(targets.error());
    switch (targets->found) {
      case Targets::Found::absent: break;
      case Targets::Found::present: co_return std::move(*targets);
      case Targets::Found::unusable:
        around_.log.warning("{}: ignored: {}", delivery.letter.envelope().id, targets->text);
        break;
      case Targets::Found::trouble: co_return fail(Trouble::temporary, targets->text);
    }
  }
  co_return std::nullopt;
}

}  // namespace postrider::local
