// Inside lib/tls only: private keys that OpenSSL believes it has while they live in another process.
//
// A small OpenSSL provider. Its keys know their public half; signing hands a SignRequest to the
// RemoteSigning that is current on this thread, which suspends the handshake until the signature
// came (OpenSSL's ASYNC jobs). There is no decryption and no raw operation in it.
#pragma once

#include <string>

#include <openssl/core.h>
#include <openssl/evp.h>

#include "lib/base/error.h"
#include "lib/tls/sign_request.h"

namespace postrider::tls {

inline constexpr const char* remote_provider = "postrider";
OSSL_provider_init_fn remote_provider_init;

// Who gets the request. `sign` runs inside an ASYNC job, which it may pause.
class RemoteSigning {
 public:
  virtual ~RemoteSigning() = default;
  virtual Result<std::string> sign(SignRequest request) = 0;

  // Makes `signing` current on this thread for as long as the scope lives.
  class Scope {
   public:
    explicit Scope(RemoteSigning& signing);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    RemoteSigning* before_;
  };
};

// A key object of the provider for the public key of a certificate; null when it cannot be made. The
// caller owns it (EVP_PKEY_free).
EVP_PKEY* make_remote_key(EVP_PKEY* public_key);

}  // namespace postrider::tls
