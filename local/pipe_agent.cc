#include "local/pipe_agent.h"

#include <algorithm>
#include <cstdlib>

#include <unistd.h>

#include <fmt/core.h>

#include "lib/address/address.h"
#include "lib/base/text.h"
#include "lib/config/expand.h"
#include "lib/table/address_lookup.h"
#include "local/directory.h"

namespace postrider::local {

namespace {

constexpr std::string_view recipient_names[] = {"recipient", "original_recipient", "user",
                                                "mailbox",   "extension",          "domain"};

std::unexpected<Error> wrong(std::string_view argument, std::string_view why) {
  return fail(Trouble::configuration, fmt::format("pipe service: {}: {}", argument, why));
}

Result<std::string> unescape(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      result += text[i];
      continue;
    }
    const char c = text[++i];
    if (c == 'n') {
      result += '\n';
    } else if (c == 'r') {
      result += '\r';
    } else if (c == '\\') {
      result += '\\';
    } else {
      return wrong(text, "unknown escape");
    }
  }
  return result;
}

Result<> parse_flags(std::string_view flags, PipeService& service) {
  for (const char c : flags) {
    switch (c) {
      case 'B': service.blank_line = true; break;
      case 'D': service.delivered_to = true; break;
      case 'F': service.from_line = true; break;
      case 'O': service.original_to = true; break;
      case 'R': service.return_path = true; break;
      case 'X': service.final_delivery = true; break;
      case 'h': service.fold_domain = true; break;
      case 'u': service.fold_user = true; break;
      case 'q': service.quote = true; break;
      case '.': service.dot_quoted = true; break;
      case '>': service.from_quoted = true; break;
      default: return wrong(flags, fmt::format("unknown flag '{}'", c));
    }
  }
  return {};
}

// An address as the flags want it, and its parts.
struct Shown {
  std::string address, user, extension, mailbox, domain;
};
Shown show(const PipeService& service, std::string_view internal, std::string_view delimiters) {
  const auto parts = table::split_address(internal);
  Shown shown;
  shown.mailbox = service.fold_user ? lower(parts.local_part) : std::string(parts.local_part);
  shown.domain =
      service.fold_domain ? lower(parts.domain.value_or("")) : std::string(parts.domain.value_or(""));
  const auto split = address::split_extension(shown.mailbox, delimiters);
  shown.user = std::string(split.user);
  shown.extension = std::string(split.extension);
  shown.address = service.quote ? address::quote_local_part(shown.mailbox) : shown.mailbox;
  if (!shown.domain.empty()) shown.address += "@" + shown.domain;
  return shown;
}

}  // namespace

Result<PipeService> parse_pipe_service(const std::vector<std::string>& arguments) {
  PipeService service;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    const auto equals = argument.find('=');
    const auto name = argument.substr(0, equals);
    const std::string value(equals == std::string_view::npos ? "" : argument.substr(equals + 1));
    if (name == "flags") {
      if (auto parsed = parse_flags(value, service); !parsed) return fail(parsed.error());
    } else if (name == "user") {
      service.user = value;
    } else if (name == "argv") {
      service.command.push_back(value);
      service.command.insert(service.command.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                             arguments.end());
      break;
    } else if (name == "directory") {
      service.directory = value;
    } else if (name == "eol") {
      auto line_end = unescape(value);
      if (!line_end) return fail(line_end.error());
      service.line_end = std::move(*line_end);
    } else if (name == "null_sender") {
      service.null_sender = value;
    } else if (name == "size") {
      const auto size = parse_number<std::uint64_t>(value);
      if (!size) return wrong(argument, "not a number");
      service.size_limit = *size;
    } else {
      return wrong(argument,
                   "unknown argument; known are flags=, user=, argv=, directory=, eol=, null_sender=, size=");
    }
  }
  if (service.user.empty()) return wrong("user=", "missing");
  if (service.command.empty() || service.command[0].empty()) return wrong("argv=", "missing");
  return service;
}

Result<std::vector<std::string>> expand_command(const PipeService& service, const queue::Envelope& envelope,
                                                std::string_view nexthop, std::string_view delimiters) {
  const auto sender = envelope.sender.empty() ? Shown{service.null_sender, "", "", "", ""}
                                              : show(service, envelope.sender, delimiters);
  std::vector<std::string> command;
  for (const auto& word : service.command) {
    const auto names = config::mentioned_names(word);
    const bool repeated = std::any_of(names.begin(), names.end(), [](const auto& name) {
      return std::find(std::begin(recipient_names), std::end(recipient_names), name) !=
             std::end(recipient_names);
    });
    const std::size_t count = repeated ? envelope.recipients.size() : 1;
    for (std::size_t i = 0; i < count; ++i) {
      const auto& recipient = envelope.recipients[i];
      const Shown shown = show(service, recipient.address, delimiters);
      const auto expanded =
          config::expand(word, [&](std::string_view name) -> Result<std::optional<std::string>> {
            if (name == "recipient") return shown.address;
            if (name == "user") return shown.user;
            if (name == "mailbox") return shown.mailbox;
            if (name == "extension") return shown.extension;
            if (name == "domain") return shown.domain;
            if (name == "original_recipient") {
              return show(service, recipient.original.empty() ? recipient.address : recipient.original,
                          delimiters)
                  .address;
            }
            if (name == "sender") return sender.address;
            if (name == "nexthop") return std::string(nexthop);
            if (name == "queue_id") return std::string(envelope.id.text());
            if (name == "size") return std::to_string(envelope.size);
            if (name == "envid") return envelope.envid;
            if (name == "client_address") return envelope.client.address;
            if (name == "client_helo") return envelope.client.helo;
            if (name == "client_hostname") return envelope.client.name;
            if (name == "client_port") return envelope.client.port;
            if (name == "client_protocol") return envelope.client.protocol;
            if (name == "sasl_method") return envelope.sasl_method;
            if (name == "sasl_sender") return envelope.sasl_sender;
            if (name == "sasl_username") return envelope.sasl_username;
            return fail(Trouble::configuration, fmt::format("pipe service: unknown macro name \"{}\"", name));
          });
      if (!expanded) return fail(expanded.error());
      // What a stranger chose must not be taken for an option.
      if (expanded->starts_with('-') && !word.starts_with('-')) {
        return fail(Trouble::permanent, fmt::format("bad address syntax: \"{}\"", *expanded));
      }
      command.push_back(*expanded);
    }
  }
  return command;
}

PipeAgent::PipeAgent(Surroundings around, const PipeSettings& settings, PipeService service,
                     Seconds time_limit)
    : around_(std::move(around)),
      settings_(settings),
      service_(std::move(service)),
      time_limit_(time_limit),
      crew_(around_.loop, around_.log, around_.tasks, around_.stop, around_.as_root) {}

Result<> PipeAgent::open(const std::string& mail_owner) {
  if (!around_.as_root) return {};
  const auto rights = find_identity(service_.user);
  if (!rights) return fail(rights.error().within("user="));
  const auto owner = find_identity(mail_owner);
  if (rights->uid == 0 || rights->gid == 0) return wrong("user=", "must not be root");
  // Who owns the queue could put mail into it behind everyone's back.
  if (owner && owner->uid == rights->uid) return wrong("user=", "must not be the owner of the queue");
  rights_ = *rights;
  return {};
}

event::Task<> PipeAgent::handle(ipc::Call call, ipc::Frame frame) {
  const auto letter = Letter::open(std::move(frame), around_.loop.clock().wall());
  if (!letter) throw io::Ended{io::Ended::Why::lost, letter.error().text()};
  protocol::DeliveryReport report;
  RecipientOutcome outcome = co_await run(*letter);
  if (settings_.limits.soft_bounce()) soften(outcome);
  // One command, one outcome for all of them.
  const auto& recipients = letter->envelope().recipients;
  for (std::uint32_t i = 0; i < recipients.size(); ++i) {
    outcome.index = i;
    letter->log(around_.log, around_.service_name, recipients[i], outcome, around_.loop.clock().wall());
    report.outcomes.push_back(outcome);
  }
  answer_unless_stopped(call, report, around_.stop);
}

event::Task<RecipientOutcome> PipeAgent::run(const Letter& letter) {
  const auto& envelope = letter.envelope();
  if (service_.delivered_to && envelope.recipients.size() > 1) {
    around_.log.warning("flag D needs {}_destination_recipient_limit = 1", around_.service_name);
    co_return deferred("4.3.5", "mail system configuration error");
  }
  if (service_.size_limit != 0 && letter.request().content.length > service_.size_limit) {
    co_return bounced("5.2.3", fmt::format("message size {} exceeds size limit {}",
                                           letter.request().content.length, service_.size_limit));
  }
  auto command =
      expand_command(service_, envelope, letter.request().nexthop, settings_.domains.recipient_delimiter());
  if (!command) {
    if (command.error().is(Trouble::permanent)) co_return bounced("5.1.3", command.error().text());
    around_.log.warning("{}", command.error().text());
    co_return deferred("4.3.5", "mail system configuration error");
  }
  const auto& first = envelope.recipients[0];
  std::string head;
  if (service_.from_line) head += separator_line(envelope.sender, around_.loop.clock().wall());
  head += make_head(envelope.sender, first, first.address,
                    {service_.return_path, service_.original_to, service_.delivered_to});
  CommandJob job;
  job.arguments = std::move(*command);
  for (const auto& item : around_.environment) {
    if (item.find('=') != std::string::npos) {
      job.environment.push_back(item);
    } else if (const char* value = std::getenv(item.c_str()); value != nullptr) {
      job.environment.push_back(fmt::format("{}={}", item, value));
    }
  }
  job.environment.emplace_back("PATH=/usr/bin:/bin");
  job.directory = service_.directory;
  job.time_limit = time_limit_;
  job.line_end = service_.line_end;
  job.dot_quoted = service_.dot_quoted;
  job.from_quoted = service_.from_quoted;
  job.blank_line = service_.blank_line;
  std::vector<std::string> loops;
  if (service_.delivered_to) loops.push_back(first.address);
  job.mail = letter.mail(std::move(head), std::move(loops));
  const auto ended = co_await crew_.run<CommandEnded>(rights_, job, time_limit_ + Seconds{60});
  if (!ended) co_return deferred("4.3.0", ended.error().text());
  RecipientOutcome outcome =
      outcome_of(*ended, fmt::format("delivered via {} service", around_.service_name), service_.command[0]);
  if (outcome.kind == RecipientOutcome::Kind::delivered && !service_.final_delivery) {
    outcome.kind = RecipientOutcome::Kind::relayed;
  }
  co_return outcome;
}

}  // namespace postrider::local
