#include "pop3d/front.h"

#include <fmt/core.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/address/ip.h"
#include "lib/base/text.h"
#include "lib/event/scope.h"
#include "lib/io/stream.h"
#include "lib/os/socket.h"
#include "lib/pop3/reply.h"
#include "lib/protocol/services.h"
#include "lib/protocol/session.h"

namespace postrider::pop3d {

using pop3::Verb;
using protocol::AuthStep;

Front::Front(daemon::Daemon& daemon, const Pop3dConfig& config, const daemon::TlsServerConfig& tls,
             const config::Services& services)
    : daemon_(daemon),
      config_(config),
      tls_config_(tls),
      auth_(daemon.loop(), protocol::private_service(services.auth_service_name()), 8, daemon.stop_token()),
      sessions_(daemon.loop(), protocol::private_service("pop3-session"), 8, daemon.stop_token()),
      tls_(daemon.loop(), daemon.log(), tls, "pop3d", {"pop3"}, daemon.stop_token()) {}

// One client in the AUTHORIZATION state (RFC 1939 4).
class Login {
 public:
  Login(Front& front, os::Fd client)
      : front_(front), stream_(front.daemon_.loop(), std::move(client), front.daemon_.stop_token()) {}
  event::Task<> run();

 private:
  event::Task<> converse();
  event::Task<> command(pop3::CommandLine line);
  void capa();
  event::Task<> start_tls();
  event::Task<> pass(std::string password);
  event::Task<> auth(pop3::CommandLine line);
  event::Task<std::optional<std::string>> read_response();
  event::Task<> authenticate(std::string mechanism, std::optional<std::string> initial);
  event::Task<> open_session(const AuthStep& success, std::string_view mechanism);
  event::Task<> relay(os::Fd session);
  bool may_use_password();
  std::string peers() const;
  MonoTime deadline() const { return front_.daemon_.loop().after(front_.config_.login_timeout()); }

  Front& front_;
  io::Stream stream_;
  std::string client_address_ = "127.0.0.1", local_address_ = "127.0.0.1";
  std::string session_id_;
  std::string user_;        // from USER
  std::string tried_user_;  // of the last failed login
  std::string method_;
  unsigned failures_ = 0;
  MonoTime began_{};
  bool done_ = false;
  bool logged_in_ = false;
};

event::Task<> Front::serve(os::Fd client) {
  Login login(*this, std::move(client));
  co_await login.run();
}

std::string Login::peers() const {
  return fmt::format("rip={}, lip={}{}, session=<{}>", client_address_, local_address_,
                     stream_.secure() ? ", TLS" : "", session_id_);
}

event::Task<> Login::run() {
  began_ = front_.daemon_.loop().now();
  const Result<os::Endpoint> peer = os::peer_endpoint(stream_.socket());
  const Result<os::Endpoint> local = os::local_endpoint(stream_.socket());
  if (peer && peer->port != 0) client_address_ = peer->host;
  if (local && local->port != 0) local_address_ = local->host;
  // Unique on this host for as long as anybody compares logs.
  session_id_ = fmt::format("{:x}.{:x}.{:x}", front_.daemon_.clock().wall().time_since_epoch().count(),
                            ::getpid(), ++front_.serial_);
  std::string_view how = "Disconnected";
  bool stopped = false;
  try {
    co_await converse();
  } catch (const io::Ended& ended) {
    stopped = ended.why == io::Ended::Why::stopped;
    how = ended.why == io::Ended::Why::timed_out ? "Disconnected: Inactivity"
                                                 : "Disconnected: Connection closed";
  }
  if (logged_in_ || stopped) co_return;
  const auto seconds = std::chrono::duration_cast<Seconds>(front_.daemon_.loop().now() - began_).count();
  if (failures_ > 0)
    front_.daemon_.log().info(
        "pop3-login: Aborted login (auth failed, {} attempts in {} secs): user=<{}>, method={}, {}",
        failures_, seconds, tried_user_, method_, peers());
  else
    front_.daemon_.log().info("pop3-login: {} (no auth attempts in {} secs): user=<>, {}", how, seconds,
                              peers());
}

event::Task<> Login::converse() {
  if (front_.tls_.wrapper()) {
    const Result<tls::Info> info = co_await front_.tls_.accept(stream_, deadline());
    if (!info) throw io::Ended{io::Ended::Why::lost, info.error().text()};
  }
  stream_.put(pop3::ok(front_.config_.greeting()));
  while (!done_) {
    const io::Line line = co_await stream_.read_line(pop3::max_auth_line, deadline());
    const bool is_auth = istarts_with(line.text, "AUTH ");
    if (line.too_long || (!is_auth && line.text.size() > pop3::max_command_line)) {
      stream_.put(pop3::err("line too long"));
      continue;
    }
    const std::string text(line.text);
    const pop3::Parsed<pop3::CommandLine> parsed = pop3::split_command(text);
    if (!parsed) {
      stream_.put(pop3::err(parsed.error()));
      continue;
    }
    co_await command(*parsed);
    if (failures_ >= static_cast<unsigned>(front_.config_.auth_attempts())) break;
  }
  if (!logged_in_) co_await stream_.close(deadline());
}

event::Task<> Login::command(pop3::CommandLine line) {
  switch (line.verb) {
    case Verb::capa: capa(); break;
    case Verb::quit:
      stream_.put(pop3::ok("Logging out"));
      done_ = true;
      break;
    case Verb::noop: stream_.put(pop3::err("log in first")); break;
    case Verb::stls: co_await start_tls(); break;
    case Verb::auth: co_await auth(line); break;
    case Verb::user: {
      if (!may_use_password()) break;
      const pop3::Parsed<std::string> user = pop3::parse_credential(line.arguments);
      if (!user) {
        stream_.put(pop3::err(user.error()));
        break;
      }
      user_ = *user;
      // The same answer for every name: RFC 1939 7 leaves it open, strangers learn nothing.
      stream_.put(pop3::ok());
      break;
    }
    case Verb::pass: {
      const pop3::Parsed<std::string> password = pop3::parse_credential(line.arguments);
      if (user_.empty()) {
        stream_.put(pop3::err("USER comes first"));
      } else if (!password) {
        stream_.put(pop3::err(password.error()));
      } else {
        co_await pass(*password);
      }
      break;
    }
    case Verb::apop: stream_.put(pop3::err("APOP is not supported; use AUTH or STLS and PASS")); break;
    default: stream_.put(pop3::err("unknown command, or one for after the login"));
  }
}

void Login::capa() {
  std::string text = pop3::ok();
  for (const std::string_view capability : {"TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"})
    text += fmt::format("{}\r\n", capability);
  if (!stream_.secure() && front_.tls_.level() != daemon::TlsLevel::none && front_.tls_.offered())
    text += "STLS\r\n";
  const address::IpAddress ip = address::IpAddress::parse(client_address_).value_or(address::IpAddress());
  if (stream_.secure() || !front_.config_.disable_plaintext() || ip.is_loopback())
    text += "USER\r\nSASL PLAIN\r\n";
  text += fmt::format("IMPLEMENTATION Postrider\r\n{}", pop3::end_of_listing);
  stream_.put(text);
}

bool Login::may_use_password() {
  const address::IpAddress ip = address::IpAddress::parse(client_address_).value_or(address::IpAddress());
  if (stream_.secure() || !front_.config_.disable_plaintext() || ip.is_loopback()) return true;
  stream_.put(pop3::err("Passwords in clear are not accepted here; use STLS first", "AUTH"));
  return false;
}

event::Task<> Login::start_tls() {
  if (stream_.secure() || front_.tls_.level() == daemon::TlsLevel::none || !front_.tls_.offered()) {
    stream_.put(pop3::err(stream_.secure() ? "TLS is active already" : "TLS is not available"));
    co_return;
  }
  stream_.put(pop3::ok("Begin TLS negotiation now"));
  co_await stream_.flush(deadline());
  // RFC 2595 4: nothing said in clear counts any more, and what was sent behind STLS is forgotten.
  user_.clear();
  const Result<tls::Info> info = co_await front_.tls_.accept(stream_, deadline());
  if (!info) throw io::Ended{io::Ended::Why::lost, info.error().text()};
}

event::Task<> Login::pass(std::string password) {
  if (!may_use_password()) co_return;
  std::string initial(1, '\0');
  initial += std::exchange(user_, {}) + '\0' + password;
  co_await authenticate("PLAIN", std::move(initial));
}

event::Task<> Login::auth(pop3::CommandLine line) {
  const pop3::Parsed<pop3::AuthArguments> arguments = pop3::parse_auth(line.arguments);
  if (!arguments) {
    stream_.put(pop3::err(arguments.error()));
    co_return;
  }
  if (arguments->mechanism.empty()) {
    stream_.put(pop3::ok() + "PLAIN\r\n" + std::string(pop3::end_of_listing));
    co_return;
  }
  if (!may_use_password()) co_return;
  std::optional<std::string> initial;
  if (arguments->initial) {
    initial = *arguments->initial == "=" ? std::string() : base64_decode(*arguments->initial);
    if (!initial) {
      stream_.put(pop3::err("malformed BASE64"));
      co_return;
    }
  }
  co_await authenticate(arguments->mechanism, std::move(initial));
}

event::Task<std::optional<std::string>> Login::read_response() {
  const io::Line line = co_await stream_.read_line(pop3::max_auth_line, deadline());
  if (line.text == "*") {
    stream_.put(pop3::err("Authentication aborted"));
    co_return std::nullopt;
  }
  std::optional<std::string> response = line.too_long ? std::nullopt : base64_decode(line.text);
  if (!response) stream_.put(pop3::err("malformed BASE64"));
  co_return response;
}

event::Task<> Login::authenticate(std::string mechanism, std::optional<std::string> initial) {
  method_ = mechanism;
  protocol::AuthStart start;
  start.service = "pop3";
  start.mechanism = mechanism;
  start.client_address = client_address_;
  start.local_address = local_address_;
  start.secure = stream_.secure();
  start.has_initial = initial.has_value();
  start.initial = initial.value_or("");
  Result<ipc::Pool::Lease> lease = co_await front_.auth_.get(front_.daemon_.loop().after(Seconds{10}));
  AuthStep step;
  step.kind = AuthStep::Kind::temporary;
  if (lease) {
    bool lost = false;
    try {
      step = co_await (*lease)->call<AuthStep>(start, deadline());
    } catch (const io::Ended& ended) {
      if (ended.why == io::Ended::Why::stopped) throw;
      lost = true;
    }
    while (!lost && step.kind == AuthStep::Kind::challenge) {
      stream_.put(pop3::challenge(base64_encode(step.data)));
      const std::optional<std::string> response = co_await read_response();
      if (!response) co_return;  // the lease closes, and auth forgets the exchange
      try {
        step = co_await (*lease)->call<AuthStep>(protocol::AuthContinue{*response}, deadline());
      } catch (const io::Ended& ended) {
        if (ended.why == io::Ended::Why::stopped) throw;
        lost = true;
      }
    }
    if (lost)
      step.kind = AuthStep::Kind::temporary;
    else
      lease->give_back();
  }
  switch (step.kind) {
    case AuthStep::Kind::success: co_await open_session(step, mechanism); co_return;
    case AuthStep::Kind::temporary:
      front_.daemon_.log().warning("pop3-login: auth: {}", step.reason.empty() ? "no answer" : step.reason);
      stream_.put(pop3::err("Temporary authentication failure", "SYS/TEMP"));
      co_return;
    case AuthStep::Kind::bad_mechanism:
      stream_.put(pop3::err("Unsupported authentication mechanism"));
      co_return;
    case AuthStep::Kind::malformed: stream_.put(pop3::err("The response makes no sense")); co_return;
    case AuthStep::Kind::failure:
    case AuthStep::Kind::challenge: break;
  }
  ++failures_;
  tried_user_ = step.user;
  stream_.put(pop3::err("Authentication failed.", "AUTH"));
}

event::Task<> Login::open_session(const AuthStep& success, std::string_view mechanism) {
  using Outcome = protocol::SessionOpened::Outcome;
  protocol::OpenSession request;
  request.ticket = success.ticket;
  request.client_address = client_address_;
  request.local_address = local_address_;
  request.session_id = session_id_;
  request.secure = stream_.secure();
  request.greeting = "Logged in.";
  os::Fd ours;
  if (stream_.secure()) {
    Result<std::pair<os::Fd, os::Fd>> pair = os::socket_pair();
    if (!pair) {
      stream_.put(pop3::err("Out of resources", "SYS/TEMP"));
      co_return;
    }
    ours = std::move(pair->first);
    request.client = std::move(pair->second);
  } else {
    // What pipelined commands before the login were answered goes out before the session's first word.
    co_await stream_.flush(deadline());
    request.client = stream_.socket().duplicate();
    if (stream_.has_buffered_input()) {
      const std::string_view pending = co_await stream_.peek(deadline());
      request.pipelined = pending;
    }
  }
  // Not asked twice: a ticket is good for one session.
  protocol::SessionOpened opened;
  try {
    event::Loop& loop = front_.daemon_.loop();
    Result<protocol::SessionOpened> answer = co_await front_.sessions_.ask_once<protocol::SessionOpened>(
        request, loop.after(Seconds{10}), loop.after(Seconds{60}));
    if (answer) opened = std::move(*answer);
  } catch (const io::Ended& ended) {
    if (ended.why == io::Ended::Why::stopped) throw;
    opened.outcome = Outcome::temporary;
    if (!stream_.secure()) {
      // There may be a session, which has made the socket that we share block.
      const std::string sorry = pop3::err("The mailbox cannot be opened now", "SYS/TEMP");
      ::send(stream_.socket().get(), sorry.data(), sorry.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      throw io::Ended{io::Ended::Why::lost, "no word from the session"};
    }
  }
  request.client.reset();
  if (opened.outcome != Outcome::opened) {
    const std::string_view code = opened.outcome == Outcome::in_use    ? "IN-USE"
                                  : opened.outcome == Outcome::refused ? "AUTH"
                                                                       : "SYS/TEMP";
    stream_.put(pop3::err(opened.text.empty() ? "The mailbox cannot be opened now" : opened.text, code));
    co_return;
  }
  front_.daemon_.log().info(
      "pop3-login: Login: user=<{}>, method={}, rip={}, lip={}, mpid={}{}, session=<{}>", success.user,
      mechanism, client_address_, local_address_, opened.pid, stream_.secure() ? ", TLS" : "", session_id_);
  logged_in_ = true;
  done_ = true;
  if (ours) co_await relay(std::move(ours));
}

namespace {

event::Task<> pass_on(event::Loop& loop, io::Stream& from, io::Stream& to) {
  try {
    while (true) {
      // The session has its own, shorter, idea of how long a client may be idle.
      const std::string_view bytes = co_await from.peek(no_deadline);
      to.put(bytes);
      from.consume(bytes.size());
      co_await to.flush(loop.after(Seconds{600}));
    }
  } catch (const io::Ended&) {
    // Either side is gone: the other direction has nobody to talk to.
  }
  ::shutdown(from.socket().get(), SHUT_RDWR);
  ::shutdown(to.socket().get(), SHUT_RDWR);
}

}  // namespace

event::Task<> Login::relay(os::Fd session_end) {
  event::Loop& loop = front_.daemon_.loop();
  io::Stream session(loop, std::move(session_end), front_.daemon_.stop_token());
  event::TaskScope directions(loop);
  directions.spawn(pass_on(loop, stream_, session));
  directions.spawn(pass_on(loop, session, stream_));
  co_await directions.join();
}

}  // namespace postrider::pop3d
