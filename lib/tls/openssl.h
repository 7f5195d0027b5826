// Inside lib/tls only: OpenSSL's objects as owners, its error queue as text, and the library context
// that all of the suite's TLS lives in.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "lib/base/error.h"

namespace postrider::tls {

template <auto release>
struct Release {
  template <class T>
  void operator()(T* object) const {
    release(object);
  }
};
inline void release_chain(STACK_OF(X509) * chain) { sk_X509_pop_free(chain, X509_free); }

using BioOwner = std::unique_ptr<BIO, Release<BIO_free_all>>;
using PkeyOwner = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY_free>>;
using PkeyContextOwner = std::unique_ptr<EVP_PKEY_CTX, Release<EVP_PKEY_CTX_free>>;
using DigestContextOwner = std::unique_ptr<EVP_MD_CTX, Release<EVP_MD_CTX_free>>;
using X509Owner = std::unique_ptr<X509, Release<X509_free>>;
using ChainOwner = std::unique_ptr<STACK_OF(X509), Release<release_chain>>;
using SslOwner = std::unique_ptr<SSL, Release<SSL_free>>;
using SslContextOwner = std::unique_ptr<SSL_CTX, Release<SSL_CTX_free>>;
using SessionOwner = std::unique_ptr<SSL_SESSION, Release<SSL_SESSION_free>>;

// OpenSSL's default provider and the one whose private keys are elsewhere (remote_key.h). Made once
// per process, on first use, which must come before a sandbox is closed; never freed.
OSSL_LIB_CTX* library();

// The oldest entry of this thread's error queue as OpenSSL prints it, "error:0A0000C1:SSL
// routines::no shared cipher", and the queue is empty afterwards. `otherwise` when it was empty.
std::string library_error(std::string_view otherwise = "unknown error");

// The certificates in PEM text, in order; other blocks are skipped. Empty when there are none. At most
// 32; broken blocks are Trouble::configuration.
Result<ChainOwner> parse_certificates(std::string_view pem);

// A BIO that reads from the text, which must outlive it.
BioOwner read_bio(std::string_view text);

// Lower-case hex SHA-256 of the key's SubjectPublicKeyInfo; "" when it cannot be encoded.
std::string key_id_of(EVP_PKEY* key);
// "RSA (2048 bits)", "ECDSA (P-256)"; "" for any other algorithm.
std::string key_type_of(EVP_PKEY* key);
// Nothing, or why TLS here does not use such a key.
Result<> check_key_type(EVP_PKEY* key);

// Printable ASCII of a certificate's name entry (NID_commonName …), at most 256 bytes; "" if absent.
std::string name_entry(const X509_NAME* name, int nid);
// "AB:CD:…", SHA-256.
std::string fingerprint_of(X509* certificate);
std::string key_fingerprint_of(X509* certificate);
// NIST name where there is one: "P-256"; else OpenSSL's.
std::string curve_name(EVP_PKEY* key);

}  // namespace postrider::tls
