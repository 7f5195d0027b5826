// The envelope: MAIL, RCPT, and the commands that do little.
#include <fmt/core.h>

#include "lib/address/verp.h"
#include "lib/base/text.h"
#include "smtpd/server.h"
#include "smtpd/session.h"

namespace postrider::smtpd {

using protocol::AddressClass;
using protocol::RecipientChecked;
using smtp::Verb;

smtp::EnvelopeRules Session::rules() const {
  const config::Limits& limits = server_.sections().limits;
  smtp::EnvelopeRules rules;
  rules.strict = limits.strict_rfc821_envelopes();
  rules.smtputf8 = limits.smtputf8_enable() && server_.offers("smtputf8");
  rules.utf8 = rules.smtputf8;
  rules.size = server_.offers("size");
  rules.eight_bit = server_.offers("8bitmime");
  rules.dsn = server_.offers("dsn");
  rules.auth = server_.config().sasl_enable();
  rules.verp = client_.verp && server_.offers("verp");
  return rules;
}

Situation Session::situation() const {
  Situation at{.client = client_, .helo = helo_, .sasl_username = sasl_username_};
  if (transaction_) {
    at.sender = transaction_->sender;
    at.has_sender = true;
    at.sender_internal = transaction_->mail.sender.internal();
  }
  // RFC 2920 3.1: where PIPELINING was offered and accepted, only DATA must wait for its answer.
  const bool may_pipeline = esmtp_ && server_.offers("pipelining") && stage_ != "DATA";
  at.pipelined = !may_pipeline && stream_.has_buffered_input();
  return at;
}

void Transaction::apply(Verdict verdict) {
  hold |= verdict.hold;
  discard |= verdict.discard;
  if (deferred.code == 0) deferred = std::move(verdict.deferred);
  if (!verdict.redirect.empty()) redirect = std::move(verdict.redirect);
  if (!verdict.filter.empty()) filter = std::move(verdict.filter);
  for (std::string& header : verdict.prepend) prepend.push_back(std::move(header));
}

protocol::ContentEnd Transaction::ending() const {
  protocol::ContentEnd end;
  end.hold = hold;
  end.discard = discard;
  end.redirect = redirect;
  end.content_filter = filter;
  return end;
}

std::optional<smtp::Reply> Session::refusal_of_verp(smtp::MailArguments& mail) const {
  if (!mail.verp) return std::nullopt;
  const config::Verp& verp = server_.sections().verp;
  if (mail.sender.empty()) return smtp::Reply(503, "5.5.4 Error: XVERP requires non-null sender");
  if (mail.verp->empty()) mail.verp = verp.delimiters();
  if (address::are_verp_delimiters(*mail.verp, verp.filter())) return std::nullopt;
  return smtp::Reply(501, "5.5.4 Error: XVERP needs two characters from " + verp.filter());
}

event::Task<> Session::mail(smtp::CommandLine line) {
  const SmtpdConfig& config = server_.config();
  if (config.helo_required() && helo_.empty()) {
    reply(503, "5.5.1 Error: send HELO/EHLO first");
    co_return;
  }
  if (transaction_) {
    reply(503, "5.5.1 Error: nested MAIL command");
    co_return;
  }
  smtp::Parsed<smtp::MailArguments> mail = smtp::parse_mail(line.arguments, rules());
  if (!mail) {
    reply(mail.error());
    co_return;
  }
  if (const std::optional<smtp::Reply> refused = refusal_of_verp(*mail)) {
    reply(*refused);
    co_return;
  }
  const std::int64_t most = server_.sections().limits.message_size_limit();
  if (most > 0 && mail->size && *mail->size > static_cast<std::uint64_t>(most)) {
    refuse("MAIL", {552, "5.3.4 Message size exceeds fixed limit"});
    co_return;
  }
  if (!client_.unlimited && config.message_rate_limit() > 0) {
    const protocol::Counts counts =
        co_await server_.count_event(protocol::CountEvent::Event::message, client_);
    if (counts.rate > config.message_rate_limit()) {
      server_.log().warning("Message delivery request rate limit exceeded: {} from {} for service {}",
                            counts.rate, client_.logged, server_.daemon().service_name());
      reply(450, fmt::format("4.7.1 Error: too much mail from {}", client_.address));
      co_return;
    }
  }
  transaction_ = std::make_unique<Transaction>();
  transaction_->sender = mail->sender.text();
  transaction_->mail = std::move(*mail);
  if (!config.delay_reject() && !server_.sender_list().empty()) {
    Verdict verdict = co_await server_.sender_list().evaluate(
        server_, situation(), fmt::format("<{}>: Sender address rejected", transaction_->sender));
    if (verdict.kind == Verdict::Kind::refuse) {
      refuse("MAIL", verdict.reply);
      end_transaction();
      co_return;
    }
    transaction_->apply(std::move(verdict));
  }
  reply(250, "2.1.0 Ok");
}

event::Task<> Session::rcpt(smtp::CommandLine line) {
  if (!transaction_) {
    reply(503, "5.5.1 Error: need MAIL command");
    co_return;
  }
  if (transaction_->bdat || transaction_->chunks_refused) {
    // The envelope may be with cleanup already (RFC 3030 4.2: BDAT ends the list of recipients).
    reply(503, "5.5.1 Error: RCPT after BDAT");
    co_return;
  }
  smtp::Parsed<smtp::RcptArguments> arguments = smtp::parse_rcpt(line.arguments, rules());
  if (!arguments) {
    reply(arguments.error());
    co_return;
  }
  const SmtpdConfig& config = server_.config();
  if (transaction_->recipients.size() >= static_cast<std::size_t>(config.recipient_limit())) {
    reply(452, "4.5.3 Error: too many recipients");
    // RFC 5321 4.5.3.1.10: an honest client may run into the limit and send the rest later.
    if (++transaction_->refused_over_limit <= static_cast<std::size_t>(config.recipient_overshoot()))
      --errors_;
    co_return;
  }
  if (!client_.unlimited && config.recipient_rate_limit() > 0) {
    const protocol::Counts counts =
        co_await server_.count_event(protocol::CountEvent::Event::recipient, client_);
    if (counts.rate > config.recipient_rate_limit()) {
      server_.log().warning("Recipient address rate limit exceeded: {} from {} for service {}", counts.rate,
                            client_.logged, server_.daemon().service_name());
      reply(450, fmt::format("4.7.1 Error: too many recipients from {}", client_.address));
      co_return;
    }
  }
  RecipientChecked checked =
      co_await server_.check_address(transaction_->mail.sender.internal(), arguments->recipient.internal());
  co_await check_recipient(std::move(*arguments), std::move(checked));
}

// In Postfix's order: what was delayed (client, HELO, sender), then relaying, then the recipient.
event::Task<Verdict> Session::check_restrictions(const RecipientChecked& checked,
                                                 std::string_view recipient) {
  Verdict total;
  total.deferred = transaction_->deferred;
  struct Check {
    const RestrictionList& list;
    std::string what;
    bool delayed;
  };
  const bool delayed = server_.config().delay_reject();
  const Check checks[] = {
      {server_.client_list(), fmt::format("<{}>: Client host rejected", client_.logged), true},
      {server_.helo_list(), fmt::format("<{}>: Helo command rejected", helo_), true},
      {server_.sender_list(), fmt::format("<{}>: Sender address rejected", transaction_->sender), true},
      {server_.relay_list(), fmt::format("<{}>: Recipient address rejected", recipient), false},
      {server_.recipient_list(), fmt::format("<{}>: Recipient address rejected", recipient), false},
  };
  for (const Check& check : checks) {
    if (check.list.empty() || (check.delayed && !delayed)) continue;
    Situation at = situation();
    at.recipient = recipient;
    at.checked = &checked;
    Verdict verdict = co_await check.list.evaluate(server_, at, check.what);
    total.add(std::move(verdict));
    if (total.kind == Verdict::Kind::refuse) co_return total;
  }
  co_return total;
}

event::Task<> Session::check_recipient(smtp::RcptArguments arguments, RecipientChecked checked) {
  const SmtpdConfig& config = server_.config();
  const std::string recipient = arguments.recipient.text();
  if (checked.route.trouble == protocol::Route::Trouble::bad_syntax) {
    refuse("RCPT",
           {501, fmt::format("5.1.3 <{}>: Recipient address rejected: bad address syntax", recipient)},
           recipient);
    co_return;
  }
  if (checked.route.trouble == protocol::Route::Trouble::table) {
    refuse("RCPT", {451, fmt::format("4.3.0 <{}>: Temporary lookup failure", recipient)}, recipient);
    co_return;
  }
  Verdict verdict = co_await check_restrictions(checked, recipient);
  if (verdict.kind == Verdict::Kind::refuse) {
    refuse("RCPT", verdict.reply, recipient);
    co_return;
  }
  if (!server_.overrides("no_unknown_recipient_checks")) {
    std::optional<smtp::Reply> unknown;
    if (config.reject_unlisted_sender() && !transaction_->sender.empty()) {
      const RecipientChecked sender =
          co_await server_.check_address("", transaction_->mail.sender.internal());
      unknown = unlisted(config, sender, transaction_->sender, Party::sender);
    }
    if (!unknown && config.reject_unlisted_recipient())
      unknown = unlisted(config, checked, recipient, Party::recipient);
    if (unknown) {
      refuse("RCPT", *unknown, recipient);
      co_return;
    }
  }
  if (verdict.deferred.code != 0) {
    refuse("RCPT", verdict.deferred, recipient);
    co_return;
  }
  Transaction& transaction = *transaction_;
  if (transaction.queue_id.empty()) {
    std::string id = co_await server_.queue_id();
    if (id.empty()) {
      refuse("RCPT", {451, "4.3.0 Error: queue file write error"}, recipient);
      co_return;
    }
    transaction.queue_id = std::move(id);
    std::string client = fmt::format("{}: client={}", transaction.queue_id, client_.logged);
    if (!sasl_username_.empty())
      client += fmt::format(", sasl_method={}, sasl_username={}", sasl_method_, sasl_username_);
    server_.log().info("{}", client);
  }
  queue::Recipient accepted;
  accepted.address = arguments.recipient.internal();
  accepted.original = accepted.address;
  accepted.orcpt = std::move(arguments.orcpt);
  accepted.notify = arguments.notify.bits;
  transaction.recipients.push_back(std::move(accepted));
  transaction.apply(std::move(verdict));
  reply(250, "2.1.5 Ok");
}

void Session::small_command(smtp::CommandLine line) {
  switch (line.verb) {
    case Verb::rset:
      if (const smtp::Parsed<void> bare = smtp::parse_bare(line.verb, line.arguments); !bare)
        return reply(bare.error());
      ++junk_;
      end_transaction();
      return reply(250, "2.0.0 Ok");
    case Verb::noop: ++junk_; return reply(250, "2.0.0 Ok");
    case Verb::help:
      ++junk_;
      return reply(214, "2.0.0 See RFC 5321 for the commands, and smtpd(8) for this server");
    case Verb::vrfy:
    case Verb::expn:
    case Verb::etrn: ++junk_; return vrfy_etrn_expn(line);
    case Verb::lhlo: return reply(502, "5.5.1 Error: this is not an LMTP server");
    default: break;
  }
  for (const std::string& name : server_.config().noop_commands())
    if (iequals(name, line.name)) return reply(250, "2.0.0 Ok");
  reply(502, "5.5.2 Error: command not recognized");
}

// Addresses are not disclosed: VRFY neither confirms nor denies (RFC 5321 7.3), EXPN is not there.
void Session::vrfy_etrn_expn(smtp::CommandLine line) {
  if (line.verb == Verb::expn) return reply(502, "5.5.1 EXPN command is disabled");
  if (line.verb == Verb::vrfy) {
    if (server_.config().disable_vrfy()) return reply(502, "5.5.1 VRFY command is disabled");
    const smtp::Parsed<smtp::VerifyArguments> who = smtp::parse_vrfy(line.verb, line.arguments, rules());
    if (!who) return reply(who.error());
    return reply(252, fmt::format("2.0.0 {}", who->who.text()));
  }
  const smtp::Parsed<std::string> domain = smtp::parse_etrn(line.arguments);
  if (!domain) return reply(domain.error());
  reply(459, fmt::format("4.7.0 <{}>: service unavailable", *domain));
}

}  // namespace postrider::smtpd
