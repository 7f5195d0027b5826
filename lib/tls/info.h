// What a TLS connection agreed on, in the words that Postfix's log lines and headers use.
#pragma once

#include <string>

namespace postrider::tls {

// How much is known about the peer.
enum class Trust {
  anonymous,  // it showed no certificate
  untrusted,  // a certificate, but no chain to a trusted authority
  trusted,    // a valid chain
  verified,   // and the name (or fingerprint) that was asked for
};

// "Anonymous", "Untrusted", "Trusted", "Verified", the first word of "… TLS connection established".
const char* trust_name(Trust trust);

struct Info {
  Trust trust = Trust::anonymous;
  bool resumed = false;
  std::string protocol;         // "TLSv1.3"
  std::string cipher;           // "TLS_AES_256_GCM_SHA384"
  int cipher_used_bits = 0;     // effective key size
  int cipher_bits = 0;          // key size of the algorithm
  std::string key_exchange;     // "X25519", "ECDHE (P-256)", "DHE (2048 bits)"; TLS 1.3 only
  std::string local_signature;  // "RSA-PSS (2048 bits)", "ECDSA (P-256)"; TLS 1.3 only; "" if we did not sign
  std::string local_digest;     // "SHA256"
  std::string peer_signature;   // same of the peer
  std::string peer_digest;
  bool server_side = false;
  std::string alpn;         // agreed application protocol, "" if none
  std::string server_name;  // SNI that was asked for, by either side

  // The peer's certificate; all empty when there was none. Names are printable ASCII, '?' elsewhere.
  std::string peer_fingerprint;      // SHA-256 of the certificate: "AB:CD:…", as Postfix shows it
  std::string peer_key_fingerprint;  // SHA-256 of its public key
  std::string peer_subject;          // common name
  std::string peer_issuer;           // issuer's common name, or its organisation
  std::string verify_error;          // why an untrusted certificate is not trusted
};

// "TLSv1.3 with cipher X (256/256 bits) key-exchange X25519 server-signature RSA-PSS (2048 bits)
// server-digest SHA256": what follows "TLS connection established from …: " in the log.
std::string summary(const Info& info);

}  // namespace postrider::tls
