// TLS for a server daemon whose private keys are with the keys service: one object, one line to start.
//
//   daemon::TlsServer tls(daemon.loop(), daemon.log(), config.tls, "smtpd", {"smtp"}, daemon.stop_token());
//   if (auto ready = tls.start(daemon.tasks()); !ready) return daemon.fatal(ready.error());
//   …enter_sandbox()…
//   if (tls.offered()) …250-STARTTLS…
//   auto info = co_await tls.accept(stream, deadline);   // after "220 2.0.0 Ready to start TLS" was flushed
//
// Lives from before the sandbox to the end of the daemon. Gets certificates and ticket keys from keys,
// and new ones before those expire; while keys cannot be asked, TLS is not offered.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/base/log.h"
#include "lib/daemon/tls_config.h"
#include "lib/event/scope.h"
#include "lib/io/stream.h"
#include "lib/ipc/pool.h"
#include "lib/tls/context.h"

namespace postrider::daemon {

class TlsServer final : public io::KeySigner {
 public:
  // `config` and the rest outlive this object. `service` is the program's name (it binds session
  // tickets); `alpn` as in tls::ServerSettings.
  TlsServer(event::Loop& loop, Log& log, const TlsServerConfig& config, std::string service,
            std::vector<std::string> alpn, event::StopToken stop, std::string keys_path = "private/keys");

  // Reads what the sandbox would forbid, then asks keys for the certificates, for up to ten seconds. Mistakes
  // in parameters are errors (configuration); certificates that cannot be had are a logged warning
  // and asked for again later. Nothing at all is done at security level none.
  Result<> start(event::TaskScope& tasks);

  TlsLevel level() const { return config_.security_level(); }
  bool wrapper() const { return config_.wrappermode(); }
  // There are certificates: STARTTLS may be announced.
  bool offered() const { return context_.has_value(); }
  // Why not, for the log.
  const std::string& trouble() const { return trouble_; }

  // The handshake. Input in clear that came before is forgotten (CVE-2011-0411). An error (peer,
  // temporary) leaves the stream good for destruction only; a vanished client throws Ended.
  event::Task<Result<tls::Info>> accept(io::Stream& stream, MonoTime deadline);

  // As io::KeySigner: asks keys.
  event::Task<Result<std::string>> sign(tls::SignRequest request, MonoTime deadline) override;

 private:
  event::Task<bool> fetch_chains(MonoTime deadline);
  event::Task<Microseconds> fetch_ticket_keys();
  event::Task<> keep_current();

  event::Loop& loop_;
  Log& log_;
  const TlsServerConfig& config_;
  event::StopToken stop_;
  ipc::Pool pool_;
  tls::ServerSettings settings_;
  std::optional<tls::ServerContext> context_;
  std::string trouble_;
  bool stale_ = false;  // keys refused a signature; its certificates are asked for again
};

}  // namespace postrider::daemon
