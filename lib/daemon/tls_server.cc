#include "lib/daemon/tls_server.h"

#include <algorithm>

#include "lib/os/files.h"

namespace postrider::daemon {

namespace {

constexpr Seconds patience{10};
constexpr Seconds try_again{5};
constexpr std::size_t max_ca_file = 4 << 20;

template <std::size_t N>
bool copy_exactly(const std::string& from, std::array<char, N>& to) {
  if (from.size() != N) return false;
  std::copy(from.begin(), from.end(), to.begin());
  return true;
}

}  // namespace

TlsServer::TlsServer(event::Loop& loop, Log& log, const TlsServerConfig& config, std::string service,
                     std::vector<std::string> alpn, event::StopToken stop, std::string keys_path)
    : loop_(loop), log_(log), config_(config), stop_(stop), pool_(loop, std::move(keys_path), 8, stop) {
  settings_.service = std::move(service);
  settings_.alpn = std::move(alpn);
}

Result<> TlsServer::start(event::TaskScope& tasks) {
  if (config_.security_level() == TlsLevel::none && !config_.wrappermode()) {
    trouble_ = "TLS is not configured";
    return {};
  }
  settings_.strength = config_.strength();
  if (Result<> right = tls::check_strength(settings_.strength); !right) {
    return fail(right.error().within("TLS parameters of " + config_.prefix));
  }
  settings_.verify_depth = static_cast<int>(config_.ccert_verifydepth());
  if (config_.req_ccert() && config_.mandatory()) {
    settings_.client_certificates = tls::ClientCertificates::require;
  } else if (config_.ask_ccert() || config_.req_ccert()) {
    settings_.client_certificates = tls::ClientCertificates::ask;
  }
  if (!config_.ca_file().empty() && settings_.client_certificates != tls::ClientCertificates::ignore) {
    auto text = os::read_file(os::system_files(), config_.ca_file(), max_ca_file);
    if (!text) return fail(text.error().within("parameter " + config_.ca_file.name()));
    settings_.ca_pem = std::move(*text);
  }
  if (config_.files().empty()) {
    trouble_ = "no certificate: set " + config_.chain_files.name();
    log_.warning("{}: TLS is not offered: {}", settings_.service, trouble_);
    return {};
  }
  const bool ready = loop_.run_until_done(fetch_chains(loop_.after(patience)));
  if (!ready) log_.warning("TLS is not offered: {}", trouble_);
  tasks.spawn(keep_current());
  return {};
}

event::Task<bool> TlsServer::fetch_chains(MonoTime deadline) {
  const protocol::GetChains request{config_.files()};
  Result<protocol::Chains> reply = fail(Trouble::temporary, "");
  try {
    reply = co_await pool_.ask<protocol::Chains>(request, deadline);
  } catch (const io::Ended&) {
    co_return false;
  }
  trouble_ = !reply ? reply.error().text() : reply->trouble;
  if (!trouble_.empty()) co_return false;
  settings_.chains = std::move(reply->chains);
  Result<tls::ServerContext> context = tls::ServerContext::make(settings_);
  if (!context) {
    trouble_ = context.error().text();
    co_return false;
  }
  context_ = std::move(*context);
  co_return true;
}

// How long the keys are good for; zero when there are none.
event::Task<Microseconds> TlsServer::fetch_ticket_keys() {
  const protocol::GetTicketKeys request{settings_.service};
  const Result<protocol::TicketKeys> reply =
      co_await pool_.ask<protocol::TicketKeys>(request, loop_.after(patience));
  if (!reply) co_return Microseconds{0};
  std::vector<tls::TicketKey> keys;
  for (const protocol::TicketKeys::Key& key : reply->keys) {
    tls::TicketKey made;
    if (!copy_exactly(key.key_name, made.name) || !copy_exactly(key.cipher, made.cipher) ||
        !copy_exactly(key.mac, made.mac)) {
      co_return Microseconds{0};
    }
    keys.push_back(made);
  }
  context_->set_ticket_keys(keys);
  co_return reply->renew;
}

event::Task<> TlsServer::keep_current() {
  try {
    while (!stop_.stopped()) {
      if (!context_) {
        const bool got = co_await fetch_chains(loop_.after(patience));
        if (got) log_.info("TLS is offered again");
      }
      Microseconds good_for{0};
      if (context_) good_for = co_await fetch_ticket_keys();
      const Microseconds wait = std::max<Microseconds>(good_for + Seconds{1}, try_again);
      const bool goes_on = co_await loop_.sleep(wait, stop_);
      if (!goes_on) break;
      tls::trim_memory();
    }
  } catch (const io::Ended&) {
    // Stopped.
  }
}

event::Task<Result<tls::Info>> TlsServer::accept(io::Stream& stream, MonoTime deadline) {
  if (stale_) {
    stale_ = false;
    co_await fetch_chains(std::min(deadline, loop_.after(patience)));
  }
  if (!context_) co_return fail(Trouble::temporary, trouble_);
  // What the buffer holds was sent in clear. What the kernel holds may be the ClientHello already; if it
  // is not, the handshake fails.
  if (stream.has_buffered_input()) {
    const std::string_view in_clear = co_await stream.peek(deadline);
    stream.consume(in_clear.size());
  }
  Result<tls::Engine> engine = context_->accept();
  if (!engine) co_return fail(engine.error());
  const Result<> done = co_await stream.start_tls(std::move(*engine), this, deadline);
  if (!done) co_return fail(done.error());
  co_return stream.engine()->info();
}

event::Task<Result<std::string>> TlsServer::sign(tls::SignRequest request, MonoTime deadline) {
  const protocol::Sign question{std::move(request)};
  Result<protocol::Signed> reply = co_await pool_.ask<protocol::Signed>(question, deadline);
  if (!reply) co_return fail(reply.error());
  if (reply->signature.empty()) {
    // A certificate was renewed: the key that goes with ours is gone.
    stale_ = true;
    co_return fail(Trouble::temporary, "keys: " + reply->trouble);
  }
  co_return std::move(reply->signature);
}

}  // namespace postrider::daemon
