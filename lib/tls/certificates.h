// Certificate and key files: reading chains, telling which key belongs to which certificate, and the
// private-key operations themselves (PrivateKey), which only the keys process makes use of.
//
// PEM text comes from files of the administrator; mistakes in it are Trouble::configuration.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/tls/sign_request.h"

namespace postrider::tls {

struct ChainSummary {
  std::string key_id;       // of the leaf's public key, as in SignRequest
  std::string key_type;     // "RSA (2048 bits)", "ECDSA (P-256)"
  std::string subject;      // the leaf's common name
  std::string fingerprint;  // SHA-256 of the leaf, "AB:CD:…"
  WallTime not_before, not_after;
  int certificates = 0;
  std::string complaint;  // "", or why some clients will not follow the chain; worth a warning
};

// Looks at the certificates in `pem`, leaf first. Refuses key types other than RSA (2048 to 8192 bits)
// and ECDSA P-256, P-384.
Result<ChainSummary> describe_chain(std::string_view pem);

// The certificates of a file that may also hold keys: PEM with nothing but CERTIFICATE blocks.
Result<std::string> only_certificates(std::string_view pem);

// A private key in this process. Thread-safe for sign(); wiped when destroyed.
class PrivateKey {
 public:
  // The first private key in the text (PKCS#8, "RSA PRIVATE KEY", "EC PRIVATE KEY"), not encrypted.
  static Result<PrivateKey> from_pem(std::string_view pem);
  // Every private key in the text, each with the certificates up to the next one: the layout of
  // smtpd_tls_chain_files, where a key comes before its chain.
  struct WithChain;
  static Result<std::vector<WithChain>> all_from_pem(std::string_view pem);

  PrivateKey(PrivateKey&& other) noexcept;
  PrivateKey& operator=(PrivateKey&& other) noexcept;
  ~PrivateKey();

  const std::string& key_id() const { return key_id_; }
  const std::string& key_type() const { return key_type_; }

  // A TLS signature and nothing else: refuses invalid requests and kinds that do not fit the key
  // (permanent). Takes a millisecond for RSA.
  Result<std::string> sign(const SignRequest& request) const;

 private:
  struct Free {
    void operator()(void* key) const;
  };
  explicit PrivateKey(void* key);
  std::unique_ptr<void, Free> key_;
  std::string key_id_;
  std::string key_type_;
};

struct PrivateKey::WithChain {
  PrivateKey key;
  std::string chain_pem;  // may be empty
};

}  // namespace postrider::tls
