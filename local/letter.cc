#include "local/letter.h"

#include <algorithm>
#include <array>
#include <ctime>

#include <fmt/core.h>

#include "lib/address/address.h"
#include "lib/base/text.h"
#include "lib/message/header.h"
#include "lib/message/mbox.h"

namespace postrider::local {

namespace {

using Kind = RecipientOutcome::Kind;

RecipientOutcome make(Kind kind, std::string dsn, std::string reason) {
  RecipientOutcome outcome;
  outcome.kind = kind;
  outcome.dsn = std::move(dsn);
  outcome.reason = std::move(reason);
  return outcome;
}

// sysexits(3), as delivery status.
struct ExitMeaning {
  std::uint32_t status;
  const char* dsn;
  const char* text;
};
constexpr std::array<ExitMeaning, 15> exit_meanings{{
    {64, "5.3.0", "command line usage error"},
    {65, "5.6.0", "data format error"},
    {66, "5.3.0", "cannot open input"},
    {67, "5.1.1", "user unknown"},
    {68, "5.1.2", "host name unknown"},
    {69, "5.3.0", "service unavailable"},
    {70, "5.3.0", "internal software error"},
    {71, "4.3.0", "system resource problem"},
    {72, "5.3.0", "critical OS file missing"},
    {73, "5.2.0", "can't create user output file"},
    {74, "5.3.0", "input/output error"},
    {75, "4.3.0", "temporary failure"},
    {76, "5.5.0", "remote error in protocol"},
    {77, "5.7.0", "permission denied"},
    {78, "5.3.5", "local configuration error"},
}};

// The enhanced status code that a command may print in front of its words (RFC 3463).
std::string_view leading_dsn(std::string_view text) {
  if (text.size() < 5 || (text[0] != '4' && text[0] != '5') || text[1] != '.') return {};
  std::size_t at = 2, digits = 0;
  while (at < text.size() && is_digit(text[at]) && digits < 3) ++at, ++digits;
  if (digits == 0 || at >= text.size() || text[at] != '.') return {};
  digits = 0;
  ++at;
  while (at < text.size() && is_digit(text[at]) && digits < 3) ++at, ++digits;
  if (digits == 0 || (at < text.size() && !is_space(text[at]))) return {};
  return text.substr(0, at);
}

RecipientOutcome by_dsn(std::string dsn, std::string reason) {
  return make(dsn.starts_with('4') ? Kind::deferred : Kind::bounced, std::move(dsn), std::move(reason));
}

}  // namespace

RecipientOutcome delivered(std::string reason) { return make(Kind::delivered, "2.0.0", std::move(reason)); }
RecipientOutcome deferred(std::string dsn, std::string reason) {
  return make(Kind::deferred, std::move(dsn), std::move(reason));
}
RecipientOutcome bounced(std::string dsn, std::string reason) {
  return make(Kind::bounced, std::move(dsn), std::move(reason));
}

Result<Letter> Letter::open(ipc::Frame frame, WallTime now) {
  auto request = frame.as<protocol::DeliveryRequest>();
  if (!request) return fail(Trouble::permanent, "not a delivery request");
  auto envelope = queue::decode_envelope(request->envelope);
  if (!envelope) return fail(envelope.error());
  // Workers read files.
  if (const Result<> filed = request->content.into_file(envelope->id.text()); !filed)
    return fail(filed.error());
  Letter letter;
  letter.request_ = std::move(*request);
  letter.envelope_ = std::move(*envelope);
  letter.started_ = now;
  return letter;
}

Mail Letter::mail(std::string head, std::vector<std::string> loops) const {
  Mail mail;
  mail.content = request_.content.fd.duplicate();
  mail.offset = request_.content.offset;
  mail.length = request_.content.length;
  mail.head = std::move(head);
  mail.loops = std::move(loops);
  return mail;
}

void Letter::log(Log& log, std::string_view relay, const queue::Recipient& recipient,
                 const RecipientOutcome& outcome, WallTime now) const {
  protocol::DeliveryTimes times;
  times.arrival = envelope_.arrival;
  times.activated = request_.activated;
  times.agent_started = started_;
  times.connected = started_;
  times.finished = now;
  log.info("{}: {}", envelope_.id, protocol::delivery_line(recipient, relay, 0, times, outcome));
}

std::string make_head(std::string_view sender, const queue::Recipient& recipient,
                      std::string_view delivered_to, const HeadFields& wanted) {
  std::string head;
  if (wanted.return_path) {
    head += message::format_header("Return-Path", address::Address::from_internal(sender).path());
  }
  if (wanted.original) {
    head += message::format_header("X-Original-To",
                                   recipient.original.empty() ? recipient.address : recipient.original);
  }
  if (wanted.delivered) head += message::format_header("Delivered-To", delivered_to);
  return head;
}

RecipientOutcome outcome_of(const Ending& ending, std::string_view success, std::string_view what) {
  const auto reason = fmt::format("{}{}", what, ending.text);
  switch (ending.kind) {
    case Ending::Kind::done: return delivered(std::string(success));
    case Ending::Kind::loop: return bounced("5.4.6", "mail forwarding loop for " + ending.text);
    case Ending::Kind::no_space: return deferred("4.3.0", reason);
    case Ending::Kind::too_large: return bounced("5.2.2", reason);
    case Ending::Kind::access: return bounced("5.2.0", reason);
    case Ending::Kind::temporary: return deferred("4.3.0", reason);
    case Ending::Kind::permanent: return bounced("5.3.0", reason);
  }
  return deferred("4.3.0", reason);
}

RecipientOutcome outcome_of(const CommandEnded& ended, std::string_view success, std::string_view command) {
  if (ended.ending.kind != Ending::Kind::done)
    return outcome_of(ended.ending, success, "cannot run command: ");
  auto output = std::string(trim(ended.output));
  for (char& c : output) {
    if (c == '\n') c = ' ';
  }
  const auto told = output.empty() ? std::string() : ". Command output: " + output;
  if (ended.how == CommandEnded::How::timed_out) {
    return bounced("5.3.0", fmt::format("Command time limit exceeded: \"{}\"{}", command, told));
  }
  if (ended.how == CommandEnded::How::signalled) {
    return deferred("4.3.0",
                    fmt::format("Command died with signal {}: \"{}\"{}", ended.status, command, told));
  }
  if (ended.how != CommandEnded::How::exited) return deferred("4.3.0", "command was not run");
  if (ended.status == 0) return delivered(std::string(success));
  const auto own = std::string(leading_dsn(output));
  if (!own.empty()) return by_dsn(own, std::string(trim(std::string_view(output).substr(own.size()))));
  for (const auto& meaning : exit_meanings) {
    if (meaning.status == ended.status) return by_dsn(meaning.dsn, meaning.text + told);
  }
  return bounced("5.3.0", fmt::format("Command died with status {}: \"{}\"{}", ended.status, command, told));
}

void answer_unless_stopped(ipc::Call call, const protocol::DeliveryReport& report, event::StopToken stop) {
  const bool nothing_done = std::ranges::all_of(
      report.outcomes, [](const RecipientOutcome& outcome) { return outcome.kind == Kind::deferred; });
  if (stop.stopped() && nothing_done) throw io::Ended{io::Ended::Why::stopped, ""};
  call.answer(report);
}

void soften(RecipientOutcome& outcome) {
  if (outcome.kind != Kind::bounced) return;
  outcome.kind = Kind::deferred;
  if (outcome.dsn.starts_with('5')) outcome.dsn[0] = '4';
}

std::string separator_line(std::string_view sender, WallTime now) {
  const std::time_t seconds = std::chrono::duration_cast<Seconds>(now.time_since_epoch()).count();
  std::tm local{};
  message::Zone zone;
  if (::localtime_r(&seconds, &local) != nullptr) zone = {Seconds{local.tm_gmtoff}, "local"};
  return message::mbox_separator(address::Address::from_internal(sender), now, zone);
}

}  // namespace postrider::local
