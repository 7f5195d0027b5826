#include "smtpd/session.h"

#include <fmt/core.h>

#include "lib/base/text.h"
#include "smtpd/server.h"

namespace postrider::smtpd {

using smtp::Verb;

Session::Session(Server& server, os::Fd socket)
    : server_(server), stream_(server.loop(), std::move(socket), server.daemon().stop_token()) {
  stream_.set_write_timeout(server.config().timeout());
}

Session::~Session() = default;

event::Task<> Session::run() {
  try {
    client_ = co_await server_.identify(stream_.socket());
    server_.log().info("connect {}", where());
    if (server_.tls().wrapper()) co_await accept_tls();
    const bool welcome = !closing_ && co_await greet();
    if (welcome) co_await converse();
  } catch (const io::Ended& ended) {
    say_goodbye_in_log(ended);
  }
  if (counted_) server_.forget_connection(client_);
  if (!client_.logged.empty()) server_.log().info("disconnect {}{}", where(), command_counts());
}

void Session::say_goodbye_in_log(const io::Ended& ended) {
  if (ended.why == io::Ended::Why::stopped) return;
  const std::string bytes = stage_bytes_ > 0 ? fmt::format(" ({} bytes)", stage_bytes_) : std::string();
  const std::string_view how = ended.why == io::Ended::Why::timed_out ? "timeout" : "lost connection";
  server_.log().info("{} after {}{} {}", how, stage_, bytes, where());
}

// " ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4": what succeeded, and of how many.
std::string Session::command_counts() const {
  std::string text;
  Count total;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    const Count& count = counts_[i];
    if (count.all == 0) continue;
    total.good += count.good;
    total.all += count.all;
    const auto show = [](const Count& c) {
      return c.good == c.all ? std::to_string(c.all) : fmt::format("{}/{}", c.good, c.all);
    };
    text += fmt::format(" {}={}", lower(smtp::verb_name(static_cast<Verb>(i))), show(count));
  }
  text += total.good == total.all ? fmt::format(" commands={}", total.all)
                                  : fmt::format(" commands={}/{}", total.good, total.all);
  return text;
}

MonoTime Session::line_deadline() const { return server_.loop().after(server_.config().timeout()); }

event::Task<bool> Session::greet() {
  const SmtpdConfig& config = server_.config();
  if (!client_.unlimited && (config.connection_count_limit() > 0 || config.connection_rate_limit() > 0)) {
    const protocol::Counts counts = co_await server_.count_connection(client_);
    counted_ = true;
    const auto over = [](const config::Integer& limit, std::uint32_t count) {
      return limit() > 0 && count > limit();
    };
    const bool too_many = over(config.connection_count_limit, counts.connections);
    if (too_many || over(config.connection_rate_limit, counts.rate)) {
      const std::string_view what = too_many ? "concurrency" : "rate";
      server_.log().warning("Connection {} limit exceeded: {} from {} for service {}", what,
                            too_many ? counts.connections : counts.rate, client_.logged,
                            server_.daemon().service_name());
      reply(421, fmt::format("4.7.0 {} Error: too many connections from {}",
                             server_.sections().identity.myhostname(), client_.address));
      co_await stream_.close(line_deadline());
      co_return false;
    }
  }
  // RFC 5321 3.1: the client waits for the greeting.
  if (config.forbid_unauth_pipelining() && stream_.input_is_ready() && pipelined_too_early("CONNECT")) {
    co_await stream_.close(line_deadline());
    co_return false;
  }
  if (!config.delay_reject() && !server_.client_list().empty()) {
    const Verdict verdict = co_await server_.client_list().evaluate(
        server_, situation(), fmt::format("<{}>: Client host rejected", client_.logged));
    if (verdict.kind == Verdict::Kind::refuse || verdict.deferred.code != 0) {
      // The refusal is the greeting, and the client's move is QUIT (RFC 5321 3.1).
      refuse("CONNECT", verdict.kind == Verdict::Kind::refuse ? verdict.reply : verdict.deferred);
      denied_ = true;
      co_return true;
    }
  }
  reply(220, config.banner());
  co_return true;
}

event::Task<> Session::converse() {
  const auto limit = static_cast<std::size_t>(server_.config().line_limit());
  while (!closing_) {
    const io::Line line = co_await stream_.read_line(limit, line_deadline());
    const bool go_on = co_await within_error_limits();
    if (!go_on) break;
    if (line.too_long) {
      reply(500, "5.5.2 Error: line too long");
      continue;
    }
    if (line.ending == io::Line::Ending::lf &&
        server_.config().forbid_bare_newline() == BareNewline::reject &&
        !co_await server_.in_list(server_.bare_newline_exclusions(), client_)) {
      const auto code = static_cast<int>(server_.config().forbid_bare_newline_code());
      refuse(stage_, {code, fmt::format("{}.5.2 {} Error: bare <LF> received", code / 100,
                                        server_.sections().identity.myhostname())});
      break;
    }
    // Commands are short: copied, since what follows reads on.
    const std::string text(line.text);
    const smtp::Parsed<smtp::CommandLine> parsed = smtp::split_command(text);
    if (!parsed) {
      ++counts_[static_cast<std::size_t>(Verb::unknown)].all;
      reply(parsed.error());
      continue;
    }
    const bool alive = co_await command(*parsed);
    if (!alive) break;
  }
  co_await stream_.close(line_deadline());
}

// Slows down, then turns away, clients that make mistake after mistake.
event::Task<bool> Session::within_error_limits() {
  const SmtpdConfig& config = server_.config();
  const unsigned mistakes =
      errors_ + (junk_ > config.junk_limit() ? junk_ - static_cast<unsigned>(config.junk_limit()) : 0);
  if (mistakes >= config.hard_error_limit()) {
    reply(421, fmt::format("4.7.0 {} Error: too many errors", server_.sections().identity.myhostname()));
    server_.log().info("too many errors after {} {}", stage_, where());
    co_return false;
  }
  if (mistakes >= config.soft_error_limit() && config.error_sleep().count() > 0) {
    co_await stream_.flush(line_deadline());
    const bool whole = co_await server_.loop().sleep(config.error_sleep(), server_.daemon().stop_token());
    if (!whole) throw io::Ended{io::Ended::Why::stopped, ""};
  }
  co_return true;
}

event::Task<bool> Session::command(smtp::CommandLine line) {
  if (line.verb == Verb::unknown && server_.forbidden(line.name)) {
    server_.log().warning("non-SMTP command {}: {} {}", where(), line.name, line.arguments.substr(0, 100));
    ++counts_[static_cast<std::size_t>(Verb::unknown)].all;
    reply(221, "2.7.0 Error: I can break rules, too. Goodbye.");
    co_return false;
  }
  failed_ = false;
  stage_ = smtp::verb_name(line.verb);
  stage_bytes_ = 0;
  co_await dispatch(line);
  Count& count = counts_[static_cast<std::size_t>(line.verb)];
  ++count.all;
  if (!failed_) ++count.good;
  co_return !closing_;
}

event::Task<> Session::dispatch(smtp::CommandLine line) {
  if (denied_ && line.verb != Verb::quit) {
    reply(503, fmt::format("5.7.0 Error: access denied for {}", client_.logged));
    // A chunk would come all the same, and must not be read as commands.
    if (line.verb == Verb::bdat) closing_ = true;
    co_return;
  }
  const bool must_encrypt = server_.tls().level() == daemon::TlsLevel::encrypt && !tls_;
  switch (line.verb) {
    case Verb::mail:
    case Verb::rcpt:
    case Verb::data:
    case Verb::auth:
    case Verb::vrfy:
    case Verb::expn:
    case Verb::etrn:
      if (must_encrypt) {
        reply(530, "5.7.0 Must issue a STARTTLS command first");
        co_return;
      }
      break;
    default: break;
  }
  switch (line.verb) {
    case Verb::helo:
    case Verb::ehlo: co_await helo(line); break;
    case Verb::starttls: co_await starttls(line); break;
    case Verb::auth: co_await auth(line); break;
    case Verb::mail: co_await mail(line); break;
    case Verb::rcpt: co_await rcpt(line); break;
    case Verb::data: co_await data(line); break;
    case Verb::bdat: co_await bdat(line); break;
    case Verb::quit:
      reply(221, "2.0.0 Bye");
      closing_ = true;
      break;
    default: small_command(line);
  }
}

void Session::reply(const smtp::Reply& to_send) {
  if (to_send.code >= 400) {
    failed_ = true;
    ++errors_;
  }
  if (to_send.code == 421 || to_send.code == 521) closing_ = true;
  stream_.put(to_send.wire());
}

void Session::reply(int code, std::string_view text) { reply(smtp::Reply(code, text)); }

// A message that was taken shows that the client knows what it does.
void Session::forgive() { errors_ = junk_ = 0; }

// Refuses and logs, in the shape that log analysers know.
void Session::refuse(std::string_view stage, const smtp::Reply& to_send, std::string_view recipient) {
  const std::string_view id =
      transaction_ && !transaction_->queue_id.empty() ? std::string_view(transaction_->queue_id) : "NOQUEUE";
  std::string line = fmt::format("{}: reject: {} {}: {};", id, stage, where(), to_send.text());
  if (transaction_) line += fmt::format(" from=<{}>", transaction_->sender);
  if (!recipient.empty()) line += fmt::format(" to=<{}>", recipient);
  line += fmt::format(" proto={}", esmtp_ ? "ESMTP" : "SMTP");
  if (!helo_.empty()) line += fmt::format(" helo=<{}>", helo_);
  if (!sasl_username_.empty())
    line += fmt::format(" sasl_method={} sasl_username={}", sasl_method_, sasl_username_);
  server_.log().info("{}", line);
  reply(to_send);
}

// Input that is here before the client could know that it may send it. Answers, logs, and ends it.
bool Session::pipelined_too_early(std::string_view after) {
  if (!server_.config().forbid_unauth_pipelining() || !stream_.input_is_ready()) return false;
  server_.log().info("improper command pipelining after {} {}", after, where());
  reply(521, fmt::format("5.5.1 {} Error: Protocol error", server_.sections().identity.myhostname()));
  closing_ = true;
  return true;
}

}  // namespace postrider::smtpd
