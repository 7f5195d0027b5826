// What a TLS handshake asks of the process that holds the private key: one signature over one digest.
//
// Made by an Engine on a server's behalf (Step::want_key), carried to the keys process, performed
// there. Deliberately unable to express a decryption or a raw RSA operation. Trust: the process that
// sends a request may be under a stranger's control; valid() is checked again where the key is.
#pragma once

#include <cstdint>
#include <string>

namespace postrider::tls {

enum class SignatureKind : std::uint8_t { rsa_pkcs1 = 1, rsa_pss = 2, ecdsa = 3 };
enum class SignatureHash : std::uint8_t { sha256 = 1, sha384 = 2, sha512 = 3 };

struct SignRequest {
  std::string key_id;  // 64 lower-case hex digits: SHA-256 of the public key (SubjectPublicKeyInfo)
  SignatureKind kind = SignatureKind::rsa_pss;
  SignatureHash hash = SignatureHash::sha256;
  std::string digest;  // exactly as long as the hash's output; PSS salts are of the same length
};

inline constexpr std::size_t key_id_size = 64;
inline constexpr std::size_t max_digest_size = 64;
inline constexpr std::size_t max_signature_size = 1024;  // RSA-8192

// Output length of the hash in bytes; 0 for a value outside the enumeration.
std::size_t digest_size(SignatureHash hash);

// Every field within its range: known kind and hash, digest of the right length, well-formed key id.
bool valid(const SignRequest& request);

}  // namespace postrider::tls
