#include "smtp/transaction.h"

#include <algorithm>
#include <cerrno>

#include <fmt/core.h>
#include <unistd.h>

#include "lib/address/domain.h"
#include "lib/base/utf8.h"
#include "lib/smtp/command.h"
#include "lib/smtp/data.h"
#include "lib/smtp/xtext.h"

namespace postrider::smtp_client {
namespace {

// Commands sent before their replies were read, in bytes: less than any socket buffer, so that neither side
// can wait for the other (RFC 2920 3.1).
constexpr std::size_t most_ahead = 4096;
constexpr std::size_t block = 64 * 1024;
constexpr std::size_t longest_header = 256 * 1024;  // that is searched for UTF-8
constexpr Seconds last_words{5};  // for the reply of a server that closed in the middle of the content

const char* in_reply_to(bool of_rcpt) { return of_rcpt ? "RCPT TO command" : "MAIL FROM command"; }

// An address as this server can take it: without SMTPUTF8 the domain in A-labels.
address::Address spelled(const std::string& internal, bool utf8) {
  address::Address address = address::Address::from_internal(internal);
  if (!utf8 && !is_ascii(address.domain))
    if (Result<std::string> ascii = address::to_ascii(address.domain)) address.domain = std::move(*ascii);
  return address;
}

}  // namespace

Transaction::Transaction(Surroundings& here, Session& session, const Mail& mail,
                         std::vector<std::uint32_t> recipients)
    : here_(here),
      session_(session),
      mail_(mail),
      recipients_(std::move(recipients)),
      settled_(recipients_.size(), false) {}

event::Task<> Transaction::run() {
  if (refuse_unasked()) co_return;
  co_await send_envelope();
  if (!data_open_) co_return;
  if (refused_ || accepted_.empty()) {
    co_await end_empty_data();
    co_return;
  }
  co_await send_content();
}

// ---- verdicts

void Transaction::deliver(std::size_t place, const smtp::Reply& reply) {
  if (settled(place)) return;
  settled_[place] = true;
  Verdict verdict;
  verdict.recipient = recipients_[place];
  verdict.delivered = true;
  verdict.dsn = reply.status_or_default().text();
  verdict.text = reply.text();
  verdicts_.push_back(std::move(verdict));
}

void Transaction::fail(std::size_t place, const Failure& failure) {
  if (settled(place)) return;
  settled_[place] = true;
  Verdict verdict;
  verdict.recipient = recipients_[place];
  verdict.failure = failure;
  verdicts_.push_back(std::move(verdict));
}

void Transaction::fail_rest(const Failure& failure) {
  for (std::size_t place = 0; place < recipients_.size(); ++place) fail(place, failure);
}

// What need not be asked, since the server said in EHLO that it cannot be.
bool Transaction::refuse_unasked() {
  const smtp::Extensions& offers = session_.offers();
  const auto refuse = [&](std::string dsn, std::string reason) {
    fail_rest({.dsn = std::move(dsn),
               .reason = std::move(reason),
               .remote_mta = session_.target().host,
               .remote_reply = {}});
    return true;
  };
  if (offers.size && offers.size_limit > 0 && mail_.envelope.size > offers.size_limit)
    return refuse("5.3.4", fmt::format("message size {} exceeds size limit {} of server {}",
                                       mail_.envelope.size, offers.size_limit, session_.target().label()));
  if (!offers.smtputf8 && needs_utf8())
    return refuse("5.6.7", fmt::format("SMTPUTF8 is required, but was not offered by host {}",
                                       session_.target().label()));
  return false;
}

bool Transaction::needs_utf8() const {
  const auto needs = [](const std::string& internal) { return spelled(internal, false).needs_utf8(); };
  if (needs(mail_.envelope.sender)) return true;
  for (const std::uint32_t index : recipients_)
    if (needs(mail_.envelope.recipients[index].address)) return true;
  return mail_.envelope.has(queue::flag::smtputf8) && header_has_utf8();
}

bool Transaction::header_has_utf8() const {
  const Result<std::string> header = mail_.content.read(
      os::system_files(), 0, std::min<std::uint64_t>(mail_.content.length, longest_header));
  if (!header) return false;
  std::string_view text = *header;
  text = text.substr(0, std::min(text.find("\n\n"), text.find("\n\r\n")));
  return !is_ascii(text);
}

// ---- the envelope

std::string Transaction::mail_line() const {
  const smtp::Extensions& offers = session_.offers();
  const queue::Envelope& envelope = mail_.envelope;
  smtp::MailArguments mail;
  mail.sender = spelled(envelope.sender, offers.smtputf8);
  if (offers.size) mail.size = envelope.size;
  if (offers.eight_bit && envelope.encoding == queue::BodyEncoding::eight_bit_mime)
    mail.body = smtp::Body::eight_bit;
  if (offers.eight_bit && envelope.encoding == queue::BodyEncoding::seven_bit)
    mail.body = smtp::Body::seven_bit;
  mail.smtputf8 = offers.smtputf8 && (envelope.has(queue::flag::smtputf8) || needs_utf8());
  if (offers.dsn) {
    if (envelope.dsn_return == queue::DsnReturn::full) mail.ret = smtp::Return::full;
    if (envelope.dsn_return == queue::DsnReturn::headers) mail.ret = smtp::Return::headers;
    mail.envid = envelope.envid;
  }
  return smtp::mail_command(mail);
}

std::string Transaction::rcpt_line(const queue::Recipient& recipient) const {
  const smtp::Extensions& offers = session_.offers();
  smtp::RcptArguments rcpt;
  rcpt.recipient = spelled(recipient.address, offers.smtputf8);
  if (offers.dsn) {
    rcpt.notify.bits = recipient.notify;
    rcpt.orcpt = recipient.orcpt;
  }
  return smtp::rcpt_command(rcpt);
}

// For content filters: who handed us the message (XFORWARD, as Postfix has it).
void Transaction::add_xforward(std::vector<Step>& steps) const {
  const std::vector<std::string>& known = session_.offers().xforward_attributes;
  if (!here_.config.send_xforward() || known.empty()) return;
  const queue::Envelope& envelope = mail_.envelope;
  const queue::ClientAttributes& client =
      envelope.forwarded == queue::ClientAttributes() ? envelope.client : envelope.forwarded;
  const auto add = [&](std::string& line, const char* name, const std::string& value) {
    if (std::ranges::find(known, name) == known.end()) return;
    const bool absent = value.empty() || value == "unknown";
    line += fmt::format(" {}={}", name, absent ? "[UNAVAILABLE]" : smtp::xtext_encode(value));
  };
  std::string first, second;
  add(first, "NAME", client.name);
  add(first, "ADDR",
      client.address.find(':') == std::string::npos ? client.address : "IPV6:" + client.address);
  add(first, "PORT", client.port);
  add(second, "PROTO", client.protocol);
  add(second, "HELO", client.helo);
  add(second, "IDENT", envelope.id.text());
  add(second, "SOURCE", envelope.rewrite_context == "remote" ? "REMOTE" : "LOCAL");
  if (!first.empty()) steps.push_back({Verb::xforward, 0, "XFORWARD" + first});
  if (!second.empty()) steps.push_back({Verb::xforward, 1, "XFORWARD" + second});
}

std::vector<Transaction::Step> Transaction::plan() const {
  std::vector<Step> steps;
  if (session_.needs_reset) steps.push_back({Verb::rset, 0, "RSET"});
  add_xforward(steps);
  steps.push_back({Verb::mail, 0, mail_line()});
  for (std::size_t place = 0; place < recipients_.size(); ++place)
    steps.push_back({Verb::rcpt, place, rcpt_line(mail_.envelope.recipients[recipients_[place]])});
  steps.push_back({Verb::data, 0, "DATA"});
  return steps;
}

void Transaction::announce(const Step& step) {
  switch (step.verb) {
    case Verb::rset: session_.doing("sending final RSET"); break;
    case Verb::xforward:
      session_.doing(step.place == 0 ? "sending XFORWARD name/address"
                                     : "sending XFORWARD protocol/helo_name");
      break;
    case Verb::mail: session_.doing("sending MAIL FROM"); break;
    case Verb::rcpt: session_.doing("sending RCPT TO"); break;
    case Verb::data: session_.doing("sending DATA command"); break;
  }
}

Seconds Transaction::patience(const Step& step) const {
  switch (step.verb) {
    case Verb::rset: return here_.config.rset_timeout();
    case Verb::xforward: return here_.config.xforward_timeout();
    case Verb::mail: return here_.config.mail_timeout();
    case Verb::rcpt: return here_.config.rcpt_timeout();
    case Verb::data: break;
  }
  return here_.config.data_init_timeout();
}

event::Task<> Transaction::send_envelope() {
  const std::vector<Step> steps = plan();
  const bool together = session_.offers().pipelining;
  std::size_t sent = 0, answered = 0, ahead = 0;
  while (true) {
    // Once the server refused the message, or is going, only what was sent is waited for.
    const auto may_send = [&] {
      if (sent == steps.size() || refused_ || session_.finished) return false;
      if (sent == answered) return steps[sent].verb != Verb::data || !accepted_.empty();
      return together && ahead + steps[sent].line.size() + 2 <= most_ahead;
    };
    while (may_send()) {
      session_.command(steps[sent].line);
      ahead += steps[sent].line.size() + 2;
      ++sent;
    }
    if (answered == sent) break;
    const Step& step = steps[answered];
    announce(step);
    const smtp::Reply reply = co_await session_.reply(patience(step));
    if (reply.code != 421) answered_ = true;
    ahead -= step.line.size() + 2;
    ++answered;
    take(step, reply);
    // After 421 nothing more is answered.
    if (session_.finished) co_return;
  }
}

void Transaction::take(const Step& step, const smtp::Reply& reply) {
  switch (step.verb) {
    case Verb::rset:
      session_.needs_reset = false;
      if (reply.positive()) return;
      session_.finished = true;
      refused_ = true;
      fail_rest(session_.said(reply, "final RSET command"));
      return;
    case Verb::xforward:
      if (!reply.positive() && !refused_) {
        refused_ = true;
        fail_rest(session_.said(
            reply, step.place == 0 ? "XFORWARD name/address command" : "XFORWARD helo/protocol command"));
      }
      break;
    case Verb::mail:
      if (reply.positive()) {
        session_.needs_reset = true;
      } else if (!refused_) {
        refused_ = true;
        fail_rest(session_.said(reply, in_reply_to(false)));
      }
      break;
    case Verb::rcpt:
      if (refused_) break;
      if (reply.positive())
        accepted_.push_back(step.place);
      else
        fail(step.place, session_.said(reply, in_reply_to(true)));
      break;
    case Verb::data:
      if (reply.code == 354)
        data_open_ = true;
      else if (!refused_)
        fail_rest(session_.said(reply, "DATA command"));
      break;
  }
  if (reply.code == 421) {
    const char* command = step.verb == Verb::mail   ? "MAIL FROM command"
                          : step.verb == Verb::rcpt ? "RCPT TO command"
                          : step.verb == Verb::data ? "DATA command"
                                                    : "XFORWARD name/address command";
    fail_rest(session_.said(reply, command));
  }
}

// ---- the content

// DATA was sent ahead, and the server took it although it took no recipient. An empty message to nobody
// is the only way out (RFC 2920 3.1).
event::Task<> Transaction::end_empty_data() {
  session_.doing("sending end of data -- message may be sent more than once");
  if (here_.config.is_lmtp()) {
    // No recipient, no reply (RFC 2033 4.2), or one: nobody can tell.
    session_.finished = true;
    co_return;
  }
  session_.command(".");
  static_cast<void>(co_await session_.reply(here_.config.data_done_timeout()));
  session_.needs_reset = false;
}

event::Task<> Transaction::send_content() {
  session_.doing("sending message body");
  bool cut = false;
  io::Ended how{io::Ended::Why::lost, ""};
  try {
    const bool whole = co_await send_body();
    if (!whole) co_return;
  } catch (const io::Ended& ended) {
    if (ended.why != io::Ended::Why::lost || content_sent_) throw;
    how = ended;
    cut = true;
  }
  if (cut) {
    // A server that had enough may have said why before it closed the connection.
    smtp::Reply reply;
    try {
      reply = co_await session_.reply(last_words);
    } catch (const io::Ended& again) {
      if (again.why == io::Ended::Why::stopped) throw;
    }
    session_.finished = true;
    if (reply.transient() || reply.permanent()) {
      fail_rest(session_.said(reply, "end of DATA command"));
      co_return;
    }
    throw io::Ended(how);
  }
  co_await finish();
}

// False for trouble with our own file.
event::Task<bool> Transaction::send_body() {
  smtp::DataEncoder encoder(
      {.line_limit = static_cast<std::size_t>(here_.config.line_length_limit()), .replace_bare_cr = true});
  std::string wire;
  encoder.feed(mail_.header, wire);
  const std::uint64_t length = mail_.content.length;
  for (std::uint64_t done = 0; done < length;) {
    const Result<std::string> raw =
        mail_.content.read(os::system_files(), done, std::min<std::uint64_t>(block, length - done));
    if (!raw) {
      // Without the final dot the server throws away what it has.
      local_trouble_ = true;
      session_.finished = true;
      fail_rest({.dsn = "4.3.0",
                 .reason = fmt::format("local data error while talking to {}", session_.target().label()),
                 .remote_mta = {},
                 .remote_reply = {}});
      co_return false;
    }
    done += raw->size();
    encoder.feed(*raw, wire);
    if (done == length) break;
    co_await session_.stream().write(wire, here_.loop.after(here_.config.data_xfer_timeout()));
    wire.clear();
    co_await here_.loop.yield();
  }
  encoder.finish(wire);
  session_.stream().put(wire);
  session_.doing("sending end of data -- message may be sent more than once");
  content_sent_ = true;
  co_return true;
}

event::Task<> Transaction::finish() {
  const Seconds patience = here_.config.data_done_timeout();
  if (!here_.config.is_lmtp()) {
    const smtp::Reply reply = co_await session_.reply(patience);
    session_.needs_reset = false;
    for (const std::size_t place : accepted_) {
      if (reply.positive())
        deliver(place, reply);
      else
        fail(place, session_.said(reply, "end of DATA command"));
    }
    co_return;
  }
  // RFC 2033 4.2: a reply for each recipient that was taken, in their order.
  for (const std::size_t place : accepted_) {
    const smtp::Reply reply = co_await session_.reply(patience);
    if (reply.positive())
      deliver(place, reply);
    else
      fail(place, session_.said(reply, "end of DATA command"));
    if (session_.finished) {
      fail_rest(session_.said(reply, "end of DATA command"));
      co_return;
    }
  }
  session_.needs_reset = false;
}

}  // namespace postrider::smtp_client
