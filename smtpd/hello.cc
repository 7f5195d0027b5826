// How a client introduces itself: HELO, EHLO, STARTTLS, AUTH.
#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/protocol/auth.h"
#include "smtpd/server.h"
#include "smtpd/session.h"

namespace postrider::smtpd {

using smtp::Verb;

namespace {

constexpr std::size_t response_limit = 12288;  // RFC 4954 4: one line of BASE64

}  // namespace

event::Task<> Session::helo(smtp::CommandLine line) {
  const smtp::Parsed<std::string> name = smtp::parse_helo(line.verb, line.arguments);
  if (!name) {
    reply(name.error());
    co_return;
  }
  // RFC 2920 3.1: the client must look at the answer before it goes on.
  if (pipelined_too_early(smtp::verb_name(line.verb))) co_return;
  end_transaction();
  helo_ = *name;
  esmtp_ = line.verb == Verb::ehlo;
  if (!server_.config().delay_reject() && !server_.helo_list().empty()) {
    const Verdict verdict = co_await server_.helo_list().evaluate(
        server_, situation(), fmt::format("<{}>: Helo command rejected", helo_));
    if (verdict.kind == Verdict::Kind::refuse || verdict.deferred.code != 0) {
      refuse(smtp::verb_name(line.verb),
             verdict.kind == Verdict::Kind::refuse ? verdict.reply : verdict.deferred);
      helo_.clear();  // it has not introduced itself
      esmtp_ = false;
      co_return;
    }
  }
  const std::string& host = server_.sections().identity.myhostname();
  if (!esmtp_) {
    reply(250, host);
    co_return;
  }
  smtp::Reply answer;
  answer.code = 250;
  answer.lines.push_back(host);
  const auto offer = [&](std::string_view keyword, const std::string& text) {
    if (server_.offers(keyword)) answer.lines.push_back(text);
  };
  offer("pipelining", "PIPELINING");
  const std::int64_t size = server_.sections().limits.message_size_limit();
  offer("size", size > 0 ? fmt::format("SIZE {}", size) : "SIZE");
  if (!server_.config().disable_vrfy()) offer("vrfy", "VRFY");
  offer("etrn", "ETRN");
  if (client_.verp) offer("verp", "XVERP");
  if (!tls_ && server_.tls().level() != daemon::TlsLevel::none && server_.tls().offered())
    offer("starttls", "STARTTLS");
  const bool may = co_await may_authenticate();
  if (may) {
    const std::string mechanisms = co_await server_.mechanisms(tls_ != nullptr);
    if (!mechanisms.empty()) {
      offer("auth", "AUTH " + mechanisms);
      if (server_.config().broken_clients()) offer("auth", "AUTH=" + mechanisms);
    }
  }
  offer("enhancedstatuscodes", "ENHANCEDSTATUSCODES");
  offer("8bitmime", "8BITMIME");
  offer("dsn", "DSN");
  if (server_.sections().limits.smtputf8_enable()) offer("smtputf8", "SMTPUTF8");
  offer("chunking", "CHUNKING");
  reply(answer);
}

// What was said in clear may have been said by somebody else (RFC 3207 4.2).
void Session::forget_hello() {
  helo_.clear();
  esmtp_ = false;
  sasl_method_.clear();
  sasl_username_.clear();
  end_transaction();
}

event::Task<> Session::starttls(smtp::CommandLine line) {
  if (const smtp::Parsed<void> bare = smtp::parse_bare(line.verb, line.arguments); !bare) {
    reply(bare.error());
    co_return;
  }
  if (!esmtp_) {
    reply(503, "5.5.1 Error: send EHLO first");
    co_return;
  }
  if (server_.tls().level() == daemon::TlsLevel::none) {
    reply(502, "5.5.1 Error: command not implemented");
    co_return;
  }
  if (tls_) {
    reply(554, "5.5.1 Error: TLS already active");
    co_return;
  }
  if (!server_.tls().offered()) {
    reply(454, "4.7.0 TLS not available due to local problem");
    co_return;
  }
  if (pipelined_too_early("STARTTLS")) co_return;
  if (!client_.unlimited && server_.config().tls_rate_limit() > 0) {
    const protocol::Counts counts =
        co_await server_.count_event(protocol::CountEvent::Event::new_tls, client_);
    if (counts.rate > server_.config().tls_rate_limit()) {
      server_.log().warning("New TLS session rate limit exceeded: {} from {} for service {}", counts.rate,
                            client_.logged, server_.daemon().service_name());
      reply(454, fmt::format("4.7.0 Error: too many new TLS sessions from {}", client_.address));
      co_return;
    }
  }
  reply(220, "2.0.0 Ready to start TLS");
  co_await stream_.flush(line_deadline());
  forget_hello();
  co_await accept_tls();
}

event::Task<> Session::accept_tls() {
  stage_ = "STARTTLS";
  const Result<tls::Info> info =
      co_await server_.tls().accept(stream_, server_.loop().after(server_.config().starttls_timeout()));
  if (!info) {
    server_.log().info("SSL_accept error {}: {}", where(), info.error().text());
    throw io::Ended{io::Ended::Why::lost, info.error().text()};
  }
  tls_ = std::make_unique<tls::Info>(*info);
  if (server_.sections().tls.loglevel() >= 1)
    server_.log().info("{} TLS connection established {}: {}", tls::trust_name(tls_->trust), where(),
                       tls::summary(*tls_));
}

// ---- AUTH (RFC 4954)

event::Task<bool> Session::may_authenticate() {
  if (!server_.config().sasl_enable() || client_.no_auth || !sasl_username_.empty()) co_return false;
  if (server_.sections().tls.auth_only() && !tls_) co_return false;
  co_return true;
}

event::Task<> Session::auth(smtp::CommandLine line) {
  const smtp::Parsed<smtp::AuthArguments> arguments = smtp::parse_auth(line.arguments);
  if (!server_.config().sasl_enable() || client_.no_auth || !server_.offers("auth")) {
    reply(503, "5.5.1 Error: authentication not enabled");
    co_return;
  }
  if (!esmtp_ && helo_.empty()) {
    reply(503, "5.5.1 Error: send HELO/EHLO first");
    co_return;
  }
  if (!arguments) {
    reply(arguments.error());
    co_return;
  }
  if (!sasl_username_.empty()) {
    reply(503, "5.5.1 Error: already authenticated");
    co_return;
  }
  if (transaction_) {
    reply(503, "5.5.1 Error: MAIL transaction in progress");
    co_return;
  }
  const bool may = co_await may_authenticate();
  if (!may) {
    reply(538, "5.7.11 Encryption required for requested authentication mechanism");
    co_return;
  }
  if (!client_.unlimited && server_.config().auth_rate_limit() > 0) {
    const protocol::Counts counts = co_await server_.count_event(protocol::CountEvent::Event::auth, client_);
    if (counts.rate > server_.config().auth_rate_limit()) {
      server_.log().warning("AUTH command rate limit exceeded: {} from {} for service {}", counts.rate,
                            client_.logged, server_.daemon().service_name());
      reply(450, fmt::format("4.7.1 Error: too many AUTH commands from {}", client_.address));
      co_return;
    }
  }
  co_await exchange(*arguments);
}

event::Task<std::optional<std::string>> Session::read_response() {
  const io::Line line = co_await stream_.read_line(response_limit, line_deadline());
  if (line.too_long) {
    reply(500, "5.5.6 Authentication exchange line is too long");
    co_return std::nullopt;
  }
  if (line.text == "*") {
    reply(501, "5.7.0 Authentication aborted");
    co_return std::nullopt;
  }
  std::optional<std::string> response = base64_decode(line.text);
  if (!response) reply(501, "5.5.2 Invalid base64 data in authentication response");
  co_return response;
}

event::Task<> Session::exchange(smtp::AuthArguments arguments) {
  protocol::AuthStart start;
  start.service = "smtp";
  start.mechanism = arguments.mechanism;
  start.client_address = client_.address;
  start.local_address = client_.local_address;
  start.secure = tls_ != nullptr;
  if (arguments.initial) {
    const std::optional<std::string> initial =
        *arguments.initial == "=" ? std::string() : base64_decode(*arguments.initial);
    if (!initial) {
      reply(501, "5.5.2 Invalid base64 data in initial response");
      co_return;
    }
    start.has_initial = true;
    start.initial = *initial;
  }
  using Kind = protocol::AuthStep::Kind;
  Result<ipc::Pool::Lease> lease = co_await server_.auth().get(server_.loop().after(Seconds{10}));
  if (!lease) {
    server_.log().warning("{}: SASL authentication: {}", client_.logged, lease.error().text());
    reply(454, "4.7.0 Temporary authentication failure: Connection lost to authentication server");
    co_return;
  }
  // Deadlines of the client and of auth are told apart by where they are waited for.
  protocol::AuthStep step;
  bool lost = false;
  try {
    step = co_await (*lease)->call<protocol::AuthStep>(start, line_deadline());
  } catch (const io::Ended& ended) {
    if (ended.why == io::Ended::Why::stopped) throw;
    lost = true;
  }
  while (!lost && step.kind == Kind::challenge) {
    stream_.put("334 " + base64_encode(step.data) + "\r\n");
    const std::optional<std::string> response = co_await read_response();
    if (!response) co_return;  // the lease closes, and auth forgets the exchange
    try {
      step = co_await (*lease)->call<protocol::AuthStep>(protocol::AuthContinue{*response}, line_deadline());
    } catch (const io::Ended& ended) {
      if (ended.why == io::Ended::Why::stopped) throw;
      lost = true;
    }
  }
  if (lost) {
    reply(454, "4.7.0 Temporary authentication failure: Connection lost to authentication server");
    co_return;
  }
  lease->give_back();
  const auto log_failure = [&] {
    server_.log().warning("{}: SASL {} authentication failed: {}{}", client_.logged, arguments.mechanism,
                          step.reason.empty() ? "authentication failure" : step.reason,
                          step.user.empty() ? "" : ", sasl_username=" + step.user);
  };
  switch (step.kind) {
    case Kind::success:
      sasl_method_ = arguments.mechanism;
      sasl_username_ = step.user;
      reply(235, "2.7.0 Authentication successful");
      break;
    case Kind::temporary:
      log_failure();
      reply(454, "4.7.0 Temporary authentication failure");
      break;
    case Kind::bad_mechanism: reply(504, "5.5.4 Error: authentication mechanism not supported"); break;
    case Kind::malformed: reply(501, "5.5.2 Authentication response makes no sense"); break;
    case Kind::failure:
    case Kind::challenge:
      log_failure();
      reply(535, "5.7.8 Error: authentication failed");
      break;
  }
}

}  // namespace postrider::smtpd
