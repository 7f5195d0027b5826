#include "lib/tls/openssl.h"

#include <array>
#include <span>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/provider.h>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/tls/remote_key.h"

namespace postrider::tls {

namespace {

constexpr int max_certificates = 32;

std::string with_colons(std::span<const unsigned char> bytes) {
  std::string text;
  for (const unsigned char byte : bytes) {
    if (!text.empty()) text += ':';
    text += fmt::format("{:02X}", byte);
  }
  return text;
}

OSSL_LIB_CTX* make_library() {
  OSSL_LIB_CTX* context = OSSL_LIB_CTX_new();
  if (!context || !OSSL_PROVIDER_add_builtin(context, remote_provider, remote_provider_init) ||
      !OSSL_PROVIDER_load(context, "default") || !OSSL_PROVIDER_load(context, remote_provider) ||
      !EVP_set_default_properties(context, "?provider=default")) {
    // Only an OpenSSL that does not work at all comes here; nothing can be served without it.
    std::abort();
  }
  return context;
}

}  // namespace

OSSL_LIB_CTX* library() {
  static OSSL_LIB_CTX* const context = make_library();
  return context;
}

std::string library_error(std::string_view otherwise) {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return std::string(otherwise);
  std::array<char, 256> text{};
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

BioOwner read_bio(std::string_view text) {
  return BioOwner(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

Result<ChainOwner> parse_certificates(std::string_view pem) {
  ChainOwner chain(sk_X509_new_null());
  const BioOwner bio = read_bio(pem);
  if (!chain || !bio) return fail(Trouble::temporary, "out of memory");
  while (true) {
    X509* certificate = X509_new_ex(library(), nullptr);
    if (!certificate) return fail(Trouble::temporary, "out of memory");
    if (!PEM_read_bio_X509(bio.get(), &certificate, nullptr, nullptr)) {
      X509_free(certificate);
      const unsigned long code = ERR_peek_last_error();
      if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) break;
      return fail(Trouble::configuration, "malformed certificate: " + library_error());
    }
    if (sk_X509_num(chain.get()) >= max_certificates || !sk_X509_push(chain.get(), certificate)) {
      X509_free(certificate);
      return fail(Trouble::configuration, "too many certificates");
    }
  }
  ERR_clear_error();
  return chain;
}

std::string key_id_of(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) return "";
  std::array<unsigned char, 32> digest{};
  EVP_Digest(der, static_cast<std::size_t>(size), digest.data(), nullptr, EVP_sha256(), nullptr);
  OPENSSL_free(der);
  const std::string_view bytes(static_cast<const char*>(static_cast<const void*>(digest.data())),
                               digest.size());
  return hex_encode(bytes);
}

std::string curve_name(EVP_PKEY* key) {
  std::array<char, 64> name{};
  if (!EVP_PKEY_get_group_name(key, name.data(), name.size(), nullptr)) return "";
  const char* nist = EC_curve_nid2nist(OBJ_txt2nid(name.data()));
  return nist ? nist : name.data();
}

std::string key_type_of(EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "RSA")) return fmt::format("RSA ({} bits)", EVP_PKEY_get_bits(key));
  if (EVP_PKEY_is_a(key, "EC")) return fmt::format("ECDSA ({})", curve_name(key));
  return "";
}

Result<> check_key_type(EVP_PKEY* key) {
  const int bits = EVP_PKEY_get_bits(key);
  if (EVP_PKEY_is_a(key, "RSA")) {
    if (bits >= 2048 && bits <= 8192) return {};
    return fail(Trouble::configuration, fmt::format("an RSA key of {} bits; 2048 to 8192 are served", bits));
  }
  if (EVP_PKEY_is_a(key, "EC")) {
    const std::string curve = curve_name(key);
    if (curve == "P-256" || curve == "P-384") return {};
    return fail(Trouble::configuration, "an EC key on " + curve + "; P-256 and P-384 are served");
  }
  return fail(Trouble::configuration, "a key that is neither RSA nor ECDSA");
}

std::string name_entry(const X509_NAME* name, int nid) {
  const int index = X509_NAME_get_index_by_NID(name, nid, -1);
  if (index < 0) return "";
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index));
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, value);
  if (size < 0) {
    ERR_clear_error();
    return "";
  }
  std::string text;
  for (int i = 0; i < size && i < 256; ++i) {
    const unsigned char byte = utf8[i];
    text += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '?';
  }
  OPENSSL_free(utf8);
  return text;
}

std::string fingerprint_of(X509* certificate) {
  std::array<unsigned char, 32> digest{};
  if (!X509_digest(certificate, EVP_sha256(), digest.data(), nullptr)) return "";
  return with_colons(digest);
}

std::string key_fingerprint_of(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size <= 0) return "";
  std::array<unsigned char, 32> digest{};
  EVP_Digest(der, static_cast<std::size_t>(size), digest.data(), nullptr, EVP_sha256(), nullptr);
  OPENSSL_free(der);
  return with_colons(digest);
}

}  // namespace postrider::tls
