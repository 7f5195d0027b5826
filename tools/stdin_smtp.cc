#include "tools/stdin_smtp.h"

#include <sysexits.h>

#include <fmt/core.h>

namespace postrider::tools {

namespace {
constexpr std::size_t longest_command = 4096;

smtp::Reply ok() { return {250, "2.0.0 Ok"}; }
}  // namespace

std::string StdinSmtp::greeting() const {
  return fmt::format("220 {} ESMTP {}\r\n", settings_.hostname, settings_.mail_name);
}

bool StdinSmtp::feed(std::string_view bytes, std::string& out) {
  std::string content;
  while (!bytes.empty() && !quit_) {
    if (decoder_) {
      content.clear();
      bytes.remove_prefix(decoder_->feed(bytes, content));
      if (sink_) sink_->put(content);  // that it ended early shows at the end
      if (decoder_->done()) out += end_of_data().wire();
      continue;
    }
    const std::size_t lf = bytes.find('\n');
    line_ += bytes.substr(0, lf);
    if (line_.size() > longest_command) {
      out += smtp::Reply(500, "5.5.2 Error: line too long").wire();
      return false;
    }
    if (lf == std::string_view::npos) return true;
    bytes.remove_prefix(lf + 1);
    if (line_.ends_with('\r')) line_.pop_back();
    const std::string line = std::exchange(line_, {});
    out += command(line).wire();
  }
  return !quit_;
}

smtp::Reply StdinSmtp::command(std::string_view line) {
  const auto split = smtp::split_command(line);
  if (!split) return split.error();
  switch (split->verb) {
    case smtp::Verb::helo: {
      const auto name = smtp::parse_helo(split->verb, split->arguments);
      if (!name) return name.error();
      envelope_.reset();
      return {250, settings_.hostname};
    }
    case smtp::Verb::ehlo: {
      const auto name = smtp::parse_helo(split->verb, split->arguments);
      if (!name) return name.error();
      envelope_.reset();
      return extended_hello(*name);
    }
    case smtp::Verb::mail: return mail(split->arguments);
    case smtp::Verb::rcpt: return rcpt(split->arguments);
    case smtp::Verb::data: return data();
    case smtp::Verb::rset: envelope_.reset(); return ok();
    case smtp::Verb::noop: return ok();
    case smtp::Verb::vrfy: return {252, "2.0.0 Cannot verify the user, but will take mail for it"};
    case smtp::Verb::quit: quit_ = true; return {221, "2.0.0 Bye"};
    default: return {502, "5.5.2 Error: command not recognized"};
  }
}

smtp::Reply StdinSmtp::extended_hello(std::string_view) const {
  smtp::Reply reply(250, settings_.hostname);
  reply.lines.emplace_back("PIPELINING");
  reply.lines.push_back(settings_.size_limit == 0 ? "SIZE" : fmt::format("SIZE {}", settings_.size_limit));
  for (const char* word : {"ENHANCEDSTATUSCODES", "8BITMIME", "DSN"}) reply.lines.emplace_back(word);
  if (settings_.utf8) reply.lines.emplace_back("SMTPUTF8");
  return reply;
}

smtp::Reply StdinSmtp::mail(std::string_view arguments) {
  if (envelope_) return {503, "5.5.1 Error: nested MAIL command"};
  const auto mail = smtp::parse_mail(arguments, {.utf8 = settings_.utf8, .smtputf8 = settings_.utf8});
  if (!mail) return mail.error();
  if (settings_.size_limit != 0 && mail->size.value_or(0) > settings_.size_limit)
    return {552, "5.3.4 Message size exceeds fixed limit"};
  queue::Envelope& envelope = envelope_.emplace();
  envelope.sender = mail->sender.internal();
  envelope.envid = mail->envid;
  envelope.flags = queue::flag::local | (mail->smtputf8 ? queue::flag::smtputf8 : 0U);
  if (mail->body == smtp::Body::eight_bit) envelope.encoding = queue::BodyEncoding::eight_bit_mime;
  if (mail->body == smtp::Body::seven_bit) envelope.encoding = queue::BodyEncoding::seven_bit;
  if (mail->ret == smtp::Return::full) envelope.dsn_return = queue::DsnReturn::full;
  if (mail->ret == smtp::Return::headers) envelope.dsn_return = queue::DsnReturn::headers;
  return {250, "2.1.0 Ok"};
}

smtp::Reply StdinSmtp::rcpt(std::string_view arguments) {
  if (!envelope_) return {503, "5.5.1 Error: need MAIL command"};
  const auto rcpt = smtp::parse_rcpt(arguments, {.utf8 = settings_.utf8, .smtputf8 = settings_.utf8});
  if (!rcpt) return rcpt.error();
  if (envelope_->recipients.size() >= queue::max_recipients) return {452, "4.5.3 Error: too many recipients"};
  queue::Recipient& recipient = envelope_->recipients.emplace_back();
  recipient.address = rcpt->recipient.internal();
  recipient.orcpt = rcpt->orcpt;
  recipient.notify = rcpt->notify.bits;
  return {250, "2.1.5 Ok"};
}

smtp::Reply StdinSmtp::data() {
  if (!envelope_ || envelope_->recipients.empty()) return {503, "5.5.1 Error: need RCPT command"};
  auto sink = open_(*envelope_);
  if (!sink) return {451, "4.3.0 Error: " + sink.error().text()};
  sink_ = std::move(*sink);
  decoder_.emplace(smtp::DataDecoder::Framing::dotted);
  return {354, "End data with <CR><LF>.<CR><LF>"};
}

smtp::Reply StdinSmtp::end_of_data() {
  decoder_.reset();
  envelope_.reset();
  const int status = sink_->finish();
  sink_.reset();
  const DropVerdict verdict = judge_drop(status);
  if (verdict.status == EX_OK) return {250, "2.0.0 Ok: submitted"};
  if (verdict.status == EX_UNAVAILABLE) return {552, "5.3.4 Error: message file too big"};
  if (verdict.status == EX_NOPERM) return {554, "5.7.0 Error: not allowed to submit mail"};
  return {451, fmt::format("4.3.0 Error: {}", verdict.text)};
}

}  // namespace postrider::tools
