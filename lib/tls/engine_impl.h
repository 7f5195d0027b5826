// Inside lib/tls only: what an Engine consists of.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "lib/tls/context.h"
#include "lib/tls/engine.h"
#include "lib/tls/openssl.h"
#include "lib/tls/remote_key.h"

namespace postrider::tls {

struct Engine::Impl final : RemoteSigning {
  bool server = false;
  bool established = false;
  bool closed = false;  // the peer's close_notify was read
  bool shutdown_sent = false;
  bool async = false;       // the SSL runs inside ASYNC jobs, until the handshake is over
  bool asking_key = false;  // a job is paused in sign()

  std::string input;           // cipher bytes fed and not yet read by OpenSSL
  std::size_t input_used = 0;  // of these, the first so many were read
  std::string output;

  std::string server_name;  // SNI; see Engine::server_name
  std::vector<std::string> match_names;
  std::unique_ptr<SignRequest> request;
  std::optional<Result<std::string>> answer;
  std::optional<Error> error;

  // Keeps what callbacks of the SSL_CTX use alive for as long as the connection: shared, since a
  // reload replaces the context under living connections.
  std::shared_ptr<void> context;
  SslOwner ssl;  // last: freed first, while the BIO's buffers still exist

  ~Impl() override;

  Result<std::string> sign(SignRequest request) override;

  // Runs one SSL call's result through SSL_get_error.
  Step outcome(int result, std::string_view operation);
  Step broken(Error why);
};

// The Impl of a connection, from inside OpenSSL's callbacks.
Engine::Impl* impl_of(const SSL* ssl);

// A connection of the context with our BIO in place, client or server. The SSL_CTX is referenced by it.
Result<std::unique_ptr<Engine::Impl>> new_impl(SSL_CTX* context, bool server);

// Allocates everything that the first use in a process would, so that nothing is loaded or opened later
// in a sandbox.
void prepare_process();

}  // namespace postrider::tls
