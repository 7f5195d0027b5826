#include "lib/tls/info.h"

#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include <fmt/core.h>

#include "lib/tls/engine_impl.h"

namespace postrider::tls {

namespace {

std::string bits_text(std::string_view name, int bits) { return fmt::format("{} ({} bits)", name, bits); }

std::string key_exchange_of(SSL* ssl) {
  EVP_PKEY* raw = nullptr;
  if (SSL_get_peer_tmp_key(ssl, &raw) != 1) return "";
  const PkeyOwner key(raw);
  if (EVP_PKEY_is_a(raw, "X25519")) return "X25519";
  if (EVP_PKEY_is_a(raw, "X448")) return "X448";
  if (EVP_PKEY_is_a(raw, "EC")) return fmt::format("ECDHE ({})", curve_name(raw));
  if (EVP_PKEY_is_a(raw, "DH")) return bits_text("DHE", EVP_PKEY_get_bits(raw));
  return EVP_PKEY_get0_type_name(raw);
}

// `type` and `hash` are OpenSSL NIDs of how one side signed, `key` its public key.
std::string signature_of(int type, EVP_PKEY* key) {
  if (!key) return "";
  switch (type) {
    case EVP_PKEY_RSA: return bits_text("RSA", EVP_PKEY_get_bits(key));
    case EVP_PKEY_RSA_PSS: return bits_text("RSA-PSS", EVP_PKEY_get_bits(key));
    case EVP_PKEY_EC: return fmt::format("ECDSA ({})", curve_name(key));
    case EVP_PKEY_ED25519: return "Ed25519";
    case EVP_PKEY_ED448: return "Ed448";
    default: return "";
  }
}

std::string digest_name(int nid) { return nid == NID_undef ? "" : OBJ_nid2sn(nid); }

void describe_signatures(SSL* ssl, Info& info) {
  int type = NID_undef;
  int hash = NID_undef;
  X509* own = SSL_get_certificate(ssl);
  if (own && SSL_get_signature_type_nid(ssl, &type) == 1) {
    info.local_signature = signature_of(type, X509_get0_pubkey(own));
    if (SSL_get_signature_nid(ssl, &hash) == 1) info.local_digest = digest_name(hash);
  }
  X509* peer = SSL_get0_peer_certificate(ssl);
  if (peer && SSL_get_peer_signature_type_nid(ssl, &type) == 1) {
    info.peer_signature = signature_of(type, X509_get0_pubkey(peer));
    if (SSL_get_peer_signature_nid(ssl, &hash) == 1) info.peer_digest = digest_name(hash);
  }
}

void describe_peer(const Engine::Impl& impl, Info& info) {
  SSL* ssl = impl.ssl.get();
  X509* peer = SSL_get0_peer_certificate(ssl);
  if (!peer) return;
  info.peer_fingerprint = fingerprint_of(peer);
  info.peer_key_fingerprint = key_fingerprint_of(peer);
  info.peer_subject = name_entry(X509_get_subject_name(peer), NID_commonName);
  info.peer_issuer = name_entry(X509_get_issuer_name(peer), NID_commonName);
  if (info.peer_issuer.empty())
    info.peer_issuer = name_entry(X509_get_issuer_name(peer), NID_organizationName);
  const long verified = SSL_get_verify_result(ssl);
  if (verified != X509_V_OK) {
    info.trust = Trust::untrusted;
    info.verify_error = X509_verify_cert_error_string(verified);
    return;
  }
  info.trust = Trust::trusted;
  for (const std::string& name : impl.match_names) {
    if (X509_check_host(peer, name.data(), name.size(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr) == 1) {
      info.trust = Trust::verified;
    }
  }
}

void append(std::string& text, std::string_view side, std::string_view what, const std::string& value) {
  if (!value.empty()) text += fmt::format(" {}-{} {}", side, what, value);
}

}  // namespace

const char* trust_name(Trust trust) {
  switch (trust) {
    case Trust::anonymous: return "Anonymous";
    case Trust::untrusted: return "Untrusted";
    case Trust::trusted: return "Trusted";
    case Trust::verified: return "Verified";
  }
  return "Anonymous";
}

std::string summary(const Info& info) {
  std::string text = fmt::format("{} with cipher {} ({}/{} bits)", info.protocol, info.cipher,
                                 info.cipher_used_bits, info.cipher_bits);
  if (!info.key_exchange.empty()) text += " key-exchange " + info.key_exchange;
  const bool here = info.server_side;
  append(text, "server", "signature", here ? info.local_signature : info.peer_signature);
  append(text, "server", "digest", here ? info.local_digest : info.peer_digest);
  append(text, "client", "signature", here ? info.peer_signature : info.local_signature);
  append(text, "client", "digest", here ? info.peer_digest : info.local_digest);
  return text;
}

Info Engine::info() const {
  Info info;
  SSL* ssl = impl_->ssl.get();
  info.server_side = impl_->server;
  info.server_name = impl_->server_name;
  if (!impl_->established) return info;
  info.resumed = SSL_session_reused(ssl) == 1;
  info.protocol = SSL_get_version(ssl);
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  info.cipher = SSL_CIPHER_get_name(cipher);
  info.cipher_used_bits = SSL_CIPHER_get_bits(cipher, &info.cipher_bits);
  const unsigned char* alpn = nullptr;
  unsigned int alpn_size = 0;
  SSL_get0_alpn_selected(ssl, &alpn, &alpn_size);
  info.alpn.assign(alpn, alpn + alpn_size);
  if (SSL_version(ssl) >= TLS1_3_VERSION) {
    info.key_exchange = key_exchange_of(ssl);
    describe_signatures(ssl, info);
  }
  describe_peer(*impl_, info);
  return info;
}

}  // namespace postrider::tls
