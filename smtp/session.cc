#include "smtp/session.h"

#include <cerrno>
#include <cstring>

#include <fmt/core.h>
#include <sys/socket.h>

#include "lib/base/text.h"
#include "lib/event/watch.h"
#include "lib/os/socket.h"

namespace postrider::smtp_client {
namespace {

// More than RFC 5321 4.5.3.1.5 allows; what is beyond it is thrown away.
constexpr std::size_t longest_line = 2048;
constexpr Seconds goodbye_patience{5};  // to hand over QUIT when its answer is not waited for

Failure connect_failure(const Target& target, int os_error) {
  const char* why = std::strerror(os_error);
  return {.dsn = "4.4.1",
          .reason = fmt::format("connect to {}: {}", target.relay(), why),
          .remote_mta = {},
          .remote_reply = {}};
}

}  // namespace

event::Task<std::expected<os::Fd, Failure>> connect_to(Surroundings& here, Target target) {
  if (!target.path.empty()) {
    Result<os::Fd> socket = os::connect_unix(target.path);
    if (socket) co_return std::move(*socket);
    const int os_error = socket.error().os_error();
    co_return std::unexpected(connect_failure(target, os_error != 0 ? os_error : EINVAL));
  }
  const std::optional<address::IpAddress>& ours = target.ip.is_v4() ? here.bind4 : here.bind6;
  const os::Endpoint from{ours ? ours->text() : "", 0};
  Result<os::Fd> socket = os::start_connect_inet({target.ip.text(), target.port}, ours ? &from : nullptr);
  if (!socket) {
    const int os_error = socket.error().os_error();
    co_return std::unexpected(connect_failure(target, os_error != 0 ? os_error : EINVAL));
  }
  const Seconds limit = here.config.connect_timeout();
  event::Woken woken{};
  {
    event::Watch watch(here.loop, socket->get());
    woken = co_await watch.writable(limit.count() > 0 ? here.loop.after(limit) : no_deadline, here.stop);
  }
  if (woken == event::Woken::stopped) throw io::Ended{io::Ended::Why::stopped, ""};
  if (woken == event::Woken::timed_out) co_return std::unexpected(connect_failure(target, ETIMEDOUT));
  if (const Result<> connected = os::connect_result(*socket); !connected)
    co_return std::unexpected(connect_failure(target, connected.error().os_error()));
  static_cast<void>(os::set_no_delay(*socket));
  co_return std::move(*socket);
}

Session::Session(Surroundings& here, Target target, std::string nexthop, os::Fd socket)
    : opened(here.loop.now()),
      here_(here),
      target_(std::move(target)),
      nexthop_(std::move(nexthop)),
      stream_(here.loop, std::move(socket), here.stop) {
  stream_.set_write_timeout(here.config.data_xfer_timeout());
}

// ---- words

Failure Session::ours(std::string dsn, std::string reason) const {
  return {.dsn = std::move(dsn), .reason = std::move(reason), .remote_mta = target_.host, .remote_reply = {}};
}

Failure Session::said(const smtp::Reply& reply, const char* in_reply_to) const {
  const std::string text = reply.text();
  return {.dsn = reply.status_or_default().text(),
          .reason = fmt::format("host {} said: {} (in reply to {})", target_.label(), text, in_reply_to),
          .remote_mta = target_.host,
          .remote_reply = text};
}

Failure Session::refused(const smtp::Reply& reply) const {
  const std::string text = reply.text();
  return {.dsn = reply.status_or_default().text(),
          .reason = fmt::format("host {} refused to talk to me: {}", target_.label(), text),
          .remote_mta = target_.host,
          .remote_reply = text};
}

Failure Session::ended(const io::Ended& how) const {
  if (!garbage_.empty())
    return ours("4.5.0",
                fmt::format("protocol error with {} while {}: {}", target_.label(), doing_, garbage_));
  const char* form = how.why == io::Ended::Why::timed_out ? "conversation with {} timed out while {}"
                                                          : "lost connection with {} while {}";
  return ours("4.4.2", fmt::format(fmt::runtime(form), target_.label(), doing_));
}

// ---- lines

void Session::command(std::string_view line) {
  stream_.put(line);
  stream_.put("\r\n");
}

event::Task<smtp::Reply> Session::reply(Seconds timeout) {
  // One deadline for all its lines: a server that sends one at a time gains nothing.
  const MonoTime deadline = here_.loop.after(timeout);
  smtp::ReplyParser parser;
  while (true) {
    const io::Line line = co_await stream_.read_line(longest_line, deadline);
    const Result<bool> complete = parser.feed(line.text);
    if (!complete) {
      garbage_ = complete.error().text();
      throw io::Ended{io::Ended::Why::lost, garbage_};
    }
    if (*complete) break;
  }
  smtp::Reply reply = parser.take();
  // RFC 5321 3.8: the server closes the connection after it.
  if (reply.code == 421) finished = true;
  co_return reply;
}

bool Session::alive() const {
  char byte = 0;
  const ssize_t got = ::recv(stream_.socket().get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) && !stream_.has_buffered_input();
}

// ---- the beginning

event::Task<std::optional<Failure>> Session::begin(bool in_clear) {
  std::optional<Failure> failure;
  try {
    failure = co_await greet(in_clear);
  } catch (const io::Ended& how) {
    if (how.why == io::Ended::Why::stopped) throw;
    failure = ended(how);
  }
  co_return failure;
}

event::Task<std::optional<Failure>> Session::greet(bool in_clear) {
  const ClientConfig& config = here_.config;
  std::optional<Failure> failure;
  if (config.tls_wrappermode() && here_.tls) {
    failure = co_await start_tls();
    if (failure) co_return failure;
  }
  doing("receiving the initial server greeting");
  const smtp::Reply greeting = co_await reply(config.helo_timeout());
  if (!greeting.positive()) {
    Failure refusal = refused(greeting);
    if (greeting.permanent() && config.skip_5xx_greeting() && !config.is_lmtp()) refusal.dsn[0] = '4';
    co_return refusal;
  }
  failure = co_await hello();
  if (failure) co_return failure;

  if (config.tls_level() == TlsLevel::none || secure()) {
    if (config.note_starttls() && offers_.starttls && !secure())
      here_.log.info("Host offered STARTTLS: [{}]", target_.host);
    co_return std::nullopt;
  }
  if (in_clear) co_return std::nullopt;
  if (offers_.starttls && here_.tls) {
    command("STARTTLS");
    const smtp::Reply answer = co_await reply(config.starttls_timeout());
    if (answer.positive()) {
      failure = co_await start_tls();
      if (failure) co_return failure;
      // RFC 3207 4.2: nothing that was said in clear counts any more.
      failure = co_await hello();
      co_return failure;
    }
    if (config.tls_required())
      co_return ours("4.7.4", fmt::format("TLS is required, but host {} refused to start TLS: {}",
                                          target_.label(), answer.text()));
    co_return std::nullopt;
  }
  if (config.tls_required())
    co_return ours("4.7.4", fmt::format("TLS is required, but was not offered by host {}", target_.label()));
  co_return std::nullopt;
}

event::Task<std::optional<Failure>> Session::hello() {
  const ClientConfig& config = here_.config;
  offers_ = {};
  smtp::Reply answer;
  if (config.is_lmtp()) {
    doing("performing the LHLO handshake");
    command("LHLO " + config.helo_name());
    answer = co_await reply(config.helo_timeout());
    if (!answer.positive()) co_return refused(answer);
    offers_ = smtp::parse_extensions(answer, here_.discarded_keywords);
    co_return std::nullopt;
  }
  if (!config.never_send_ehlo()) {
    doing("performing the EHLO handshake");
    command("EHLO " + config.helo_name());
    answer = co_await reply(config.helo_timeout());
    if (answer.code == 421) co_return refused(answer);
    if (answer.positive()) offers_ = smtp::parse_extensions(answer, here_.discarded_keywords);
  }
  if (!answer.positive()) {
    // RFC 5321 3.2: a server that does not know EHLO.
    doing("performing the HELO handshake");
    command("HELO " + config.helo_name());
    answer = co_await reply(config.helo_timeout());
    if (!answer.positive()) co_return refused(answer);
    offers_.host = smtp::parse_extensions(answer).host;
  }
  if (target_.detect_loop && iequals(offers_.host, here_.hostname)) {
    here_.log.warning("host {} replied to HELO/EHLO with my own hostname {}", target_.relay(),
                      here_.hostname);
    if (target_.best) co_return ours("5.4.6", fmt::format("mail for {} loops back to myself", nexthop_));
  }
  co_return std::nullopt;
}

std::vector<std::string> Session::names_to_match() const {
  std::vector<std::string> names;
  std::string_view domain = nexthop_;
  if (domain.starts_with('[')) domain = domain.substr(1, std::min(domain.find(']'), domain.size()) - 1);
  domain = domain.substr(0, domain.find(':'));
  for (const std::string& word : here_.config.verify_match()) {
    if (iequals(word, "hostname"))
      names.push_back(target_.host);
    else if (iequals(word, "nexthop"))
      names.emplace_back(domain);
    else if (iequals(word, "dot-nexthop"))
      names.push_back("." + std::string(domain));
    else
      names.push_back(word);
  }
  return names;
}

event::Task<std::optional<Failure>> Session::start_tls() {
  const ClientConfig& config = here_.config;
  // What came behind the answer to STARTTLS came in clear and from anybody (CVE-2021-38371).
  if (const std::size_t injected = stream_.discard_input(); injected > 0)
    here_.log.warning("{} bytes in clear after STARTTLS from {} are ignored", injected, target_.relay());
  tls::ClientTarget wanted;
  wanted.server_name = target_.host;
  if (config.tls_level() == TlsLevel::verify) wanted.match_names = names_to_match();
  const std::string key = target_.relay();
  if (const auto known = here_.tls_sessions.find(key); known != here_.tls_sessions.end())
    wanted.session = known->second;
  Result<tls::Engine> engine = here_.tls->connect(wanted);
  Result<> done;
  if (!engine) {
    done = std::unexpected(engine.error());
  } else {
    try {
      done = co_await stream_.start_tls(std::move(*engine), nullptr,
                                        here_.loop.after(config.starttls_timeout()));
    } catch (const io::Ended& how) {
      if (how.why == io::Ended::Why::stopped) throw;
      done = fail(Trouble::peer,
                  how.why == io::Ended::Why::timed_out ? "Connection timed out" : "lost connection");
    }
  }
  if (!done) {
    here_.tls_sessions.erase(key);
    here_.log.info("SSL_connect error to {}: {}", target_.relay(), done.error().text());
    tls_failed_ = true;
    co_return ours("4.7.5", "Cannot start TLS: handshake failure");
  }
  const tls::Info info = stream_.engine()->info();
  if (config.tls_loglevel() > 0)
    here_.log.info("{} TLS connection established to {}: {}", tls::trust_name(info.trust), target_.relay(),
                   tls::summary(info));
  if (config.tls_level() == TlsLevel::verify && info.trust != tls::Trust::verified)
    co_return ours("4.7.5", info.trust == tls::Trust::trusted ? "Server certificate not verified"
                                                              : "Server certificate not trusted");
  co_return std::nullopt;
}

// ---- the end

event::Task<> Session::quit() {
  doing("sending QUIT");
  try {
    if (!finished && secure() && here_.tls_sessions.size() < Surroundings::most_tls_sessions)
      if (std::string session = stream_.engine()->session(); !session.empty())
        here_.tls_sessions.insert_or_assign(target_.relay(), std::move(session));
    if (!finished) command("QUIT");
    if (!finished && !here_.config.skip_quit_response()) {
      finished = true;
      co_await reply(here_.config.quit_timeout());
    }
    co_await stream_.close(here_.loop.after(goodbye_patience));
  } catch (const io::Ended&) {
    // All that mattered was said before.
  }
}

}  // namespace postrider::smtp_client
