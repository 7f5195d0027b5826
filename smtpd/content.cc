// Content: DATA and BDAT, decoded as it arrives and handed to cleanup.
//
// Small messages are gathered and go to cleanup as one question, so that a slow client does not
// occupy it; larger ones stream on a connection of their own. Once the transfer has begun its end is always
// read, whatever happens in between, and answered exactly once.
#include <fmt/core.h>

#include <ctime>

#include "lib/message/header.h"
#include "lib/message/received.h"
#include "smtpd/server.h"
#include "smtpd/session.h"

namespace postrider::smtpd {

using Outcome = protocol::Submitted::Outcome;

namespace {

constexpr Seconds submit_patience{300};  // for the disk
constexpr Seconds cleanup_patience{30};  // for a process to be there

message::Zone local_zone(WallTime now, std::string& name) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  localtime_r(&seconds, &parts);
  name = parts.tm_zone ? parts.tm_zone : "";
  return {Seconds{parts.tm_gmtoff}, name};
}

}  // namespace

std::string Session::received_header() const {
  message::Received received;
  received.helo = helo_;
  received.client_name = client_.name;
  received.client_address = client_.ip;
  if (server_.config().sasl_header()) received.sasl_username = sasl_username_;
  message::ReceivedTls tls;
  if (tls_ && server_.config().tls_header()) {
    tls.protocol = tls_->protocol;
    tls.cipher = tls_->cipher;
    tls.used_bits = tls_->cipher_used_bits;
    tls.bits = tls_->cipher_bits;
    tls.key_exchange = tls_->key_exchange;
    tls.server_signature = tls_->local_signature;
    tls.server_digest = tls_->local_digest;
    received.tls = &tls;
  }
  received.hostname = server_.sections().identity.myhostname();
  received.mail_name = server_.sections().identity.mail_name();
  received.protocol = message::with_protocol(false, esmtp_, tls_ != nullptr, !sasl_username_.empty(),
                                             transaction_->mail.smtputf8);
  received.queue_id = transaction_->queue_id;
  if (transaction_->recipients.size() == 1)
    received.recipient = address::Address::from_internal(transaction_->recipients.front().address).text();
  received.time = server_.daemon().clock().wall();
  std::string zone_name;
  received.zone = local_zone(received.time, zone_name);
  return message::received_by_smtp(received);
}

Result<std::string> Session::encoded_envelope() const {
  const Transaction& transaction = *transaction_;
  queue::Envelope envelope;
  const auto id = queue::QueueId::parse(transaction.queue_id);
  if (!id) return fail(Trouble::temporary, "malformed queue id " + transaction.queue_id);
  envelope.id = *id;
  envelope.arrival = server_.daemon().clock().wall();
  envelope.sender = transaction.mail.sender.internal();
  envelope.encoding = transaction.mail.body == smtp::Body::eight_bit   ? queue::BodyEncoding::eight_bit_mime
                      : transaction.mail.body == smtp::Body::seven_bit ? queue::BodyEncoding::seven_bit
                                                                       : queue::BodyEncoding::unspecified;
  envelope.dsn_return = transaction.mail.ret == smtp::Return::full      ? queue::DsnReturn::full
                        : transaction.mail.ret == smtp::Return::headers ? queue::DsnReturn::headers
                                                                        : queue::DsnReturn::unspecified;
  envelope.envid = transaction.mail.envid;
  if (transaction.mail.verp) envelope.verp_delimiters = *transaction.mail.verp;
  if (transaction.mail.smtputf8) envelope.flags |= queue::flag::smtputf8;
  if (transaction.hold) envelope.flags |= queue::flag::hold;
  if (transaction.discard) envelope.flags |= queue::flag::discard;
  envelope.content_filter =
      transaction.filter.empty() ? server_.config().content_filter() : transaction.filter;
  envelope.rewrite_context = client_.trusted || !sasl_username_.empty() ? "local" : "remote";
  envelope.sasl_method = sasl_method_;
  envelope.sasl_username = sasl_username_;
  envelope.client.name = client_.name;
  envelope.client.reverse_name = client_.reverse_name;
  envelope.client.address = client_.address;
  envelope.client.port = client_.port;
  envelope.client.helo = helo_;
  envelope.client.protocol = esmtp_ ? "ESMTP" : "SMTP";
  if (transaction.redirect.empty()) {
    envelope.recipients = transaction.recipients;
  } else {
    queue::Recipient elsewhere;
    elsewhere.address = transaction.redirect;
    elsewhere.original = transaction.redirect;
    envelope.recipients.push_back(std::move(elsewhere));
  }
  return queue::encode(envelope);
}

// MAIL and at least one accepted RCPT came before, and the restrictions on DATA have no objection.
event::Task<bool> Session::may_send_content(std::string_view stage) {
  if (!transaction_) {
    reply(503, "5.5.1 Error: need RCPT command");
    co_return false;
  }
  if (transaction_->recipients.empty()) {
    reply(554, "5.5.1 Error: no valid recipients");
    co_return false;
  }
  if (server_.data_list().empty()) co_return true;
  Verdict verdict = co_await server_.data_list().evaluate(
      server_, situation(), fmt::format("<{}>: Data command rejected", client_.logged));
  if (verdict.kind == Verdict::Kind::refuse) {
    refuse(stage, verdict.reply);
    co_return false;
  }
  if (verdict.deferred.code != 0) {
    refuse(stage, verdict.deferred);
    co_return false;
  }
  transaction_->apply(std::move(verdict));
  co_return true;
}

event::Task<> Session::begin_content() {
  Transaction& transaction = *transaction_;
  transaction.begun = true;
  for (const std::string& header : transaction.prepend) transaction.buffer += header + "\n";
  transaction.buffer += received_header();
  co_return;
}

event::Task<> Session::take_content(std::string_view decoded) {
  Transaction& transaction = *transaction_;
  stage_bytes_ += decoded.size();
  if (transaction.too_large || transaction.broken) co_return;
  transaction.buffer += decoded;
  if (transaction.buffer.size() >= protocol::Content::most) co_await hand_over();
}

Result<protocol::Submit> Session::submission() const {
  Result<std::string> envelope = encoded_envelope();
  if (!envelope) return fail(envelope.error());
  protocol::Submit submit;
  submit.envelope = std::move(*envelope);
  submit.origin = protocol::Submit::Origin::network;
  submit.skip_checks = server_.overrides("no_header_body_checks");
  submit.skip_mappings = server_.overrides("no_address_mappings");
  submit.skip_filters = server_.overrides("no_milters");
  return submit;
}

void Session::lose_submission(std::string_view why) {
  server_.log().warning("{}: {}", transaction_->queue_id, why);
  transaction_->broken = true;
}

// Streams to cleanup what was gathered. A cleanup that is lost is noted, and the client heard out.
event::Task<> Session::hand_over() {
  Transaction& transaction = *transaction_;
  try {
    const MonoTime deadline = server_.loop().after(submit_patience);
    if (!transaction.cleanup) {
      const Result<protocol::Submit> submit = submission();
      if (!submit) co_return lose_submission(submit.error().text());
      Result<ipc::Pool::Lease> lease = co_await server_.cleanup().get(server_.loop().after(cleanup_patience));
      if (!lease) co_return lose_submission(lease.error().text());
      transaction.cleanup.emplace(std::move(*lease));
      (*transaction.cleanup)->put(*submit);
    }
    std::string_view rest = transaction.buffer;
    while (!rest.empty()) {
      protocol::Content content;
      content.bytes = rest.substr(0, protocol::Content::most);
      rest.remove_prefix(content.bytes.size());
      (*transaction.cleanup)->put(content);
      if ((*transaction.cleanup)->pending_output() > protocol::Content::most)
        co_await (*transaction.cleanup)->flush(deadline);
    }
    transaction.buffer.clear();
  } catch (const io::Ended& ended) {
    if (ended.why == io::Ended::Why::stopped) throw;
    transaction.broken = true;
  }
}

event::Task<protocol::Submitted> Session::submit() {
  Transaction& transaction = *transaction_;
  protocol::Submitted submitted;
  if (transaction.cleanup) co_await hand_over();
  if (transaction.broken) co_return submitted;
  event::Loop& loop = server_.loop();
  try {
    if (transaction.cleanup) {
      (*transaction.cleanup)->put(transaction.ending());
      submitted = co_await (*transaction.cleanup)->expect<protocol::Submitted>(loop.after(submit_patience));
      transaction.cleanup->give_back();
      co_return submitted;
    }
    Result<protocol::Submit> begin = submission();
    if (!begin) {
      lose_submission(begin.error().text());
      co_return submitted;
    }
    const protocol::SubmitWhole whole{std::move(*begin), std::move(transaction.buffer)};
    Result<protocol::Submitted> answer = co_await server_.cleanup().ask_once<protocol::Submitted>(
        whole, loop.after(cleanup_patience), loop.after(submit_patience));
    if (answer)
      submitted = std::move(*answer);
    else
      lose_submission(answer.error().text());
  } catch (const io::Ended& ended) {
    if (ended.why == io::Ended::Why::stopped) throw;
    lose_submission("cleanup was lost before it answered");
  }
  co_return submitted;
}

void Session::answer_submission(const protocol::Submitted& submitted) {
  const auto with = [&](int code, std::string_view dsn, std::string_view text) {
    reply(code, fmt::format("{} {}", submitted.dsn.empty() ? dsn : std::string_view(submitted.dsn),
                            submitted.reply.empty() ? text : std::string_view(submitted.reply)));
  };
  const std::string ok = fmt::format("Ok: queued as {}", transaction_->queue_id);
  switch (submitted.outcome) {
    case Outcome::queued:
    case Outcome::discarded: forgive(); return with(250, "2.0.0", ok);
    case Outcome::no_space: return with(452, "4.3.1", "Insufficient system storage");
    case Outcome::too_large: return with(552, "5.3.4", "Error: message file too big");
    case Outcome::rejected: {
      // Postfix answers 554 to a mail loop (5.4.x), 550 to unwelcome content.
      const bool loop = submitted.dsn.starts_with("5.4.");
      const bool later = submitted.dsn.starts_with('4');
      return with(later ? 450 : loop ? 554 : 550, "5.7.1", "Error: content rejected");
    }
    case Outcome::temporary:
    case Outcome::abandoned: return with(451, "4.3.0", "Error: queue file write error");
  }
}

event::Task<> Session::finish_content(const smtp::DataDecoder& decoder) {
  Transaction& transaction = *transaction_;
  const SmtpdConfig& config = server_.config();
  const std::int64_t most = server_.sections().limits.message_size_limit();
  if (decoder.bare_lf() > 0 && config.forbid_bare_newline() == BareNewline::note)
    server_.log().info("{}: bare <LF> received {}", transaction.queue_id, where());
  if (transaction.too_large || (most > 0 && decoder.size() > static_cast<std::uint64_t>(most))) {
    refuse("END-OF-MESSAGE", {552, "5.3.4 Error: message file too big"});
    end_transaction();
    co_return;
  }
  if (decoder.bare_lf() > 0 && config.forbid_bare_newline() == BareNewline::reject &&
      !co_await server_.in_list(server_.bare_newline_exclusions(), client_)) {
    const auto code = static_cast<int>(config.forbid_bare_newline_code());
    refuse("DATA", {code, fmt::format("{}.5.2 {} Error: bare <LF> received", code / 100,
                                      server_.sections().identity.myhostname())});
    end_transaction();
    closing_ = true;
    co_return;
  }
  if (!server_.end_of_data_list().empty()) {
    Verdict verdict = co_await server_.end_of_data_list().evaluate(
        server_, situation(), fmt::format("<{}>: End-of-data rejected", client_.logged));
    if (verdict.kind == Verdict::Kind::refuse || verdict.deferred.code != 0) {
      refuse("END-OF-MESSAGE", verdict.kind == Verdict::Kind::refuse ? verdict.reply : verdict.deferred);
      end_transaction();
      co_return;
    }
    transaction.apply(std::move(verdict));
  }
  const protocol::Submitted submitted = co_await submit();
  answer_submission(submitted);
  end_transaction();
}

// ---- DATA

event::Task<> Session::data(smtp::CommandLine line) {
  if (transaction_ && (transaction_->bdat || transaction_->chunks_refused)) {
    reply(503, "5.5.1 Error: DATA after BDAT");
    co_return;
  }
  if (const smtp::Parsed<void> bare = smtp::parse_bare(line.verb, line.arguments); !bare) {
    reply(bare.error());
    co_return;
  }
  const bool may = co_await may_send_content("DATA");
  if (!may) co_return;
  if (stream_.has_buffered_input() && server_.config().forbid_unauth_pipelining()) {
    // RFC 2920 3.1: DATA ends a pipelined group; content must wait for 354.
    if (pipelined_too_early("DATA")) co_return;
  }
  reply(354, "End data with <CR><LF>.<CR><LF>");
  co_await begin_content();
  smtp::DataDecoder decoder(smtp::DataDecoder::Framing::dotted);
  co_await read_data(decoder);
  stage_ = "END-OF-MESSAGE";
  co_await finish_content(decoder);
}

event::Task<> Session::read_data(smtp::DataDecoder& decoder) {
  const std::int64_t most = server_.sections().limits.message_size_limit();
  const MonoTime began = server_.loop().now();
  std::string decoded;
  while (!decoder.done()) {
    // Every wait has its limit, and so has the whole: a client that drips bytes is cut off.
    const Seconds earned(static_cast<std::int64_t>(decoder.size()) / server_.config().min_data_rate());
    const MonoTime whole = began + server_.config().timeout() + earned;
    const std::string_view wire = co_await stream_.peek(std::min(line_deadline(), whole));
    decoded.clear();
    const std::size_t used = decoder.feed(wire, decoded);
    stream_.consume(used);
    co_await take_content(decoded);
    if (most > 0 && decoder.size() > static_cast<std::uint64_t>(most)) transaction_->too_large = true;
  }
}

// ---- BDAT (RFC 3030 2)

event::Task<> Session::bdat(smtp::CommandLine line) {
  const smtp::Parsed<smtp::BdatArguments> arguments = smtp::parse_bdat(line.arguments);
  if (!arguments) {
    // How much content follows is not known: nothing after this can be trusted to be a command.
    reply(arguments.error());
    if (transaction_) end_transaction();
    closing_ = true;
    co_return;
  }
  if (!server_.offers("chunking")) {
    reply(502, "5.5.1 Error: command not implemented");
    closing_ = true;
    co_return;
  }
  if (transaction_ && transaction_->chunks_refused) {
    co_await read_chunk(arguments->size, nullptr);
    reply(551, fmt::format("5.0.0 Discarded {} bytes after earlier error", arguments->size));
    if (arguments->last) end_transaction();
    co_return;
  }
  bool may = transaction_ && transaction_->bdat.has_value();
  if (!may) may = co_await may_send_content("BDAT");
  if (!may) {
    // The chunk comes all the same, and must not be read as commands; nor may the next one begin a message.
    co_await read_chunk(arguments->size, nullptr);
    if (transaction_) transaction_->chunks_refused = true;
    if (arguments->last) end_transaction();
    co_return;
  }
  if (!transaction_->bdat) {
    transaction_->bdat.emplace(smtp::DataDecoder::Framing::counted);
    co_await begin_content();
  }
  smtp::DataDecoder& decoder = *transaction_->bdat;
  co_await read_chunk(arguments->size, &decoder);
  if (!arguments->last) {
    reply(250, fmt::format("2.0.0 Ok: {} bytes", arguments->size));
    co_return;
  }
  std::string rest;
  decoder.finish(rest);
  co_await take_content(rest);
  stage_ = "END-OF-MESSAGE";
  co_await finish_content(smtp::DataDecoder(decoder));
}

event::Task<> Session::read_chunk(std::uint64_t size, smtp::DataDecoder* decoder) {
  const std::int64_t most = server_.sections().limits.message_size_limit();
  const MonoTime began = server_.loop().now();
  const std::uint64_t total = size;
  std::string decoded;
  while (size > 0) {
    const Seconds earned(static_cast<std::int64_t>(total - size) / server_.config().min_data_rate());
    const MonoTime whole = began + server_.config().timeout() + earned;
    const std::string_view wire = co_await stream_.peek(std::min(line_deadline(), whole));
    const std::string_view part = wire.substr(0, std::min<std::uint64_t>(wire.size(), size));
    size -= part.size();
    decoded.clear();
    if (decoder) decoder->feed(part, decoded);
    stream_.consume(part.size());
    if (!decoder) continue;
    co_await take_content(decoded);
    if (most > 0 && decoder->size() > static_cast<std::uint64_t>(most)) transaction_->too_large = true;
  }
}

}  // namespace postrider::smtpd
