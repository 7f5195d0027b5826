// What aliases, .forward and :include: files name: each destination in its turn.

#include <algorithm>
#include <optional>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/message/received.h"
#include "lib/table/alias_text.h"
#include "local/local_agent.h"

namespace postrider::local {

namespace {

using Kind = RecipientOutcome::Kind;

// One recipient that became several: what has to be tried again outweighs what failed, which outweighs
// what succeeded.
void add(RecipientOutcome& total, RecipientOutcome one) {
  const auto weight = [](Kind kind) { return kind == Kind::deferred ? 2 : kind == Kind::bounced ? 1 : 0; };
  if (total.reason.empty() || weight(one.kind) > weight(total.kind)) total = std::move(one);
}

Target::Kind kind_of(table::AliasTarget::Kind kind) {
  using From = table::AliasTarget::Kind;
  switch (kind) {
    case From::address: return Target::Kind::address;
    case From::command: return Target::Kind::command;
    case From::file: return Target::Kind::file;
    case From::home: return Target::Kind::home;
    case From::include: return Target::Kind::include;
  }
  return Target::Kind::address;
}

// What an alias stands for when that is one address; a list, a file or a command is nobody's name.
std::optional<std::string> single_address(std::string_view alias_value) {
  const auto targets = table::parse_alias_value(alias_value);
  if (!targets || targets->size() != 1 || targets->front().kind != table::AliasTarget::Kind::address)
    return std::nullopt;
  return targets->front().text;
}

}  // namespace

bool LocalAgent::allows(const std::vector<std::string>& list, Source source) const {
  const std::string_view word = source == Source::alias     ? "alias"
                                : source == Source::forward ? "forward"
                                : source == Source::include ? "include"
                                                            : "";
  return std::any_of(list.begin(), list.end(), [&](const auto& item) { return iequals(item, word); });
}

event::Task<RecipientOutcome> LocalAgent::deliver_alias(Delivery& delivery, Step step, AliasEntry entry) {
  const auto parsed = table::parse_alias_value(entry.value);
  if (!parsed || parsed->empty()) {
    around_.log.warning("alias {}: {}", entry.name, parsed ? "names no destination" : parsed.error().text());
    co_return settle(delivery, step,
                     deferred("4.3.5", "mail system configuration error: alias " + entry.name));
  }
  if (!step.context) step.rights = entry.rights;
  if (entry.owner) {
    // Trouble with a list is its owner's, who becomes the sender; so it goes through the queue.
    std::string owner = "owner-" + entry.name;
    if (settings_.local.expand_owner()) owner = single_address(*entry.owner).value_or(owner);
    if (owner.find('@') == std::string::npos) owner += "@" + settings_.identity.myorigin();
    step.sender = std::move(owner);
    step.forward_only = true;
  }
  std::vector<Target> targets;
  for (const auto& target : *parsed) targets.push_back({kind_of(target.kind), target.text});
  RecipientOutcome outcome =
      co_await deliver_targets(delivery, std::move(step), std::move(targets), Source::alias);
  co_return outcome;
}

event::Task<RecipientOutcome> LocalAgent::deliver_targets(Delivery& delivery, Step step,
                                                          std::vector<Target> targets, Source source) {
  RecipientOutcome total = delivered("");
  std::vector<std::string> addresses;
  const Identity rights = step.rights.value_or(default_rights_);
  std::size_t count = 0;
  for (auto& target : targets) {
    if (++count % 100 == 0) co_await around_.loop.yield();
    std::string path = target.text;
    switch (target.kind) {
      case Target::Kind::address: addresses.push_back(std::move(target.text)); continue;
      case Target::Kind::include: {
        RecipientOutcome outcome = co_await deliver_include(delivery, step, std::move(target.text));
        add(total, std::move(outcome));
        continue;
      }
      case Target::Kind::command: {
        if (!delivery.seen.insert("|" + target.text).second) continue;
        RecipientOutcome outcome;
        if (!allows(settings_.local.allow_commands(), source)) {
          outcome = settle(delivery, step, bounced("5.7.1", "mail to command is restricted"));
        } else {
          outcome = co_await deliver_command(delivery, step, std::move(target.text), step.context, rights);
        }
        add(total, std::move(outcome));
        continue;
      }
      case Target::Kind::home:
        // "~/…" is the user's own; another user's home is not ours to write to.
        if (step.context && path.starts_with("~/")) {
          path = step.context->home + path.substr(1);
        } else {
          add(total, settle(delivery, step, bounced("5.2.0", "no such home directory: " + path)));
          continue;
        }
        [[fallthrough]];
      case Target::Kind::file: {
        if (!delivery.seen.insert(path).second) continue;
        RecipientOutcome outcome;
        if (!allows(settings_.local.allow_files(), source)) {
          outcome = settle(delivery, step, bounced("5.7.1", "mail to file is restricted"));
        } else {
          const std::string success =
              path.ends_with('/') ? "delivered to maildir" : "delivered to file: " + path;
          outcome = co_await deliver_file(delivery, step, path, std::nullopt, rights, success);
        }
        add(total, std::move(outcome));
        continue;
      }
    }
  }
  if (!addresses.empty()) {
    RecipientOutcome outcome = co_await deliver_addresses(delivery, std::move(step), std::move(addresses));
    add(total, std::move(outcome));
  }
  co_return total;
}

// Those that are local too are delivered now, the others wait for send_forwards().
event::Task<RecipientOutcome> LocalAgent::deliver_addresses(Delivery& delivery, Step step,
                                                            std::vector<std::string> addresses) {
  RecipientOutcome total = delivered("");
  std::vector<bool> literal(addresses.size());
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    literal[i] = addresses[i].starts_with('\\');
    if (literal[i]) addresses[i].erase(0, 1);
  }
  for (std::size_t from = 0; from < addresses.size(); from += protocol::max_rewrite_batch) {
    const std::size_t to = std::min(addresses.size(), from + protocol::max_rewrite_batch);
    std::vector<std::string> batch(addresses.begin() + static_cast<std::ptrdiff_t>(from),
                                   addresses.begin() + static_cast<std::ptrdiff_t>(to));
    const auto routes = co_await resolve(batch, step.sender);
    if (!routes) co_return settle(delivery, step, deferred("4.3.0", "address resolver failure"));
    for (std::size_t i = 0; i < routes->size(); ++i) {
      const auto& route = (*routes)[i];
      Step next = step;
      next.address = route.recipient.empty() ? batch[i] : route.recipient;
      next.aliases_done = literal[from + i];
      if (route.trouble == protocol::Route::Trouble::table) {
        add(total, settle(delivery, next, deferred("4.3.0", "address lookup failure")));
        continue;
      }
      if (route.trouble == protocol::Route::Trouble::bad_syntax) {
        add(total, settle(delivery, next, bounced("5.1.3", "bad address syntax")));
        continue;
      }
      if (route.transport == around_.service_name && !step.forward_only) {
        // Once for each name, but a name may lead back to itself on its way to the mailbox.
        const std::string mark = lower(next.address) + (next.aliases_done ? "\\" : "");
        if (!delivery.seen.insert(mark).second) continue;
        RecipientOutcome outcome = co_await deliver_address(delivery, std::move(next));
        add(total, std::move(outcome));
      } else if (delivery.seen.insert("> " + lower(next.address)).second) {
        auto& forward = delivery.forwards[step.sender];
        forward.addresses.push_back(next.address);
        forward.ancestors.insert(step.ancestors.begin(), step.ancestors.end());
      }
    }
  }
  co_return total;
}

event::Task<Result<std::vector<protocol::Route>>> LocalAgent::resolve(std::vector<std::string> addresses,
                                                                      std::string sender) {
  const auto deadline = around_.loop.after(Seconds{60});
  protocol::Rewrite rewrite;
  rewrite.context = "local";
  rewrite.addresses = std::move(addresses);
  const auto rewritten = co_await rewrite_.ask<protocol::Rewritten>(rewrite, deadline);
  if (!rewritten) co_return fail(rewritten.error());
  if (rewritten->addresses.size() != rewrite.addresses.size())
    co_return fail(Trouble::temporary, "malformed answer");
  protocol::Resolve question;
  question.sender = std::move(sender);
  question.addresses = rewritten->addresses;
  auto resolved = co_await rewrite_.ask<protocol::Resolved>(question, deadline);
  if (!resolved) co_return fail(resolved.error());
  if (resolved->routes.size() != question.addresses.size())
    co_return fail(Trouble::temporary, "malformed answer");
  co_return std::move(resolved->routes);
}

event::Task<RecipientOutcome> LocalAgent::deliver_include(Delivery& delivery, Step step, std::string path) {
  if (!path.starts_with('/') || ++step.depth > 100) {
    co_return settle(delivery, step, deferred("4.3.5", "mail system configuration error: :include:" + path));
  }
  if (!delivery.seen.insert(":include:" + path).second) co_return delivered("");
  TargetsJob job{path, false};
  auto targets = co_await crew_.run<Targets>(step.rights.value_or(default_rights_), job, Seconds{60});
  if (!targets) co_return settle(delivery, step, deferred("4.3.0", targets.error().text()));
  if (targets->found != Targets::Found::present) {
    around_.log.warning("{}: include file: {}", delivery.letter.envelope().id, targets->text);
    co_return settle(delivery, step, deferred("4.3.5", "cannot use include file " + path));
  }
  // Without a user on whose behalf it is, a file speaks with its owner's rights.
  if (!step.context) {
    step.rights.reset();
    if (targets->owner_uid != 0) step.rights = Identity{targets->owner_uid, targets->owner_gid, {}};
  }
  RecipientOutcome outcome =
      co_await deliver_targets(delivery, std::move(step), std::move(targets->targets), Source::include);
  co_return outcome;
}

// The addresses elsewhere get the message as a new one for each sender.
event::Task<RecipientOutcome> LocalAgent::send_forwards(Delivery& delivery) {
  RecipientOutcome total = delivered("");
  const auto& old = delivery.letter.envelope();
  for (auto& [sender, forward] : delivery.forwards) {
    queue::Envelope envelope;
    envelope.arrival = around_.loop.clock().wall();
    envelope.sender = sender;
    envelope.size = old.size;
    envelope.encoding = old.encoding;
    envelope.dsn_return = old.dsn_return;
    envelope.envid = old.envid;
    envelope.client = old.client;
    envelope.sasl_method = old.sasl_method;
    envelope.sasl_username = old.sasl_username;
    envelope.sasl_sender = old.sasl_sender;
    envelope.rewrite_context = "local";
    envelope.flags = old.flags & (queue::flag::smtputf8 | queue::flag::requiretls);
    for (auto& address : forward.addresses) {
      queue::Recipient recipient;
      recipient.address = std::move(address);
      recipient.original = recipient.address;
      recipient.orcpt = delivery.recipient.orcpt;
      recipient.notify = sender == old.sender ? delivery.recipient.notify : std::uint8_t{0};
      envelope.recipients.push_back(std::move(recipient));
    }
    Step step;
    step.address = delivery.recipient.address;
    step.sender = sender;
    auto encoded = queue::encode(envelope);
    if (!encoded) {
      add(total, settle(delivery, step, bounced("5.1.3", "cannot forward: " + encoded.error().text())));
      continue;
    }
    std::string fields =
        message::received_internally(settings_.identity.myhostname(), settings_.identity.mail_name(),
                                     old.id.text(), around_.loop.clock().wall(), {});
    if (head(delivery, step, "forward").find("Delivered-To:") != std::string::npos) {
      fields += make_head("", delivery.recipient, delivery.recipient.address, {false, false, true});
    }
    ForwardJob job{
        cleanup_path_, std::move(*encoded),
        delivery.letter.mail(std::move(fields), {forward.ancestors.begin(), forward.ancestors.end()})};
    const auto forwarded = co_await crew_.run<Forwarded>(queue_rights_, job, Seconds{1000});
    RecipientOutcome outcome =
        forwarded ? outcome_of(forwarded->ending, "forwarded as " + forwarded->id, "cannot forward: ")
                  : deferred("4.3.0", forwarded.error().text());
    add(total, settle(delivery, step, std::move(outcome)));
  }
  co_return total;
}

}  // namespace postrider::local
