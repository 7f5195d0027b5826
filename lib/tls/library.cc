#include "lib/tls/library.h"

#include <array>
#include <memory>
#include <utility>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/opensslv.h>

namespace postrider::tls {

std::string_view compiled_library() { return OPENSSL_VERSION_TEXT; }

std::string_view running_library() { return OpenSSL_version(OPENSSL_VERSION); }

std::vector<std::string> public_key_algorithms() {
  // Postfix's names first, OpenSSL's second.
  static constexpr std::array<std::pair<const char*, const char*>, 5> kinds{
      {{"dsa", "DSA"}, {"ecdsa", "EC"}, {"ed25519", "ED25519"}, {"ed448", "ED448"}, {"rsa", "RSA"}}};
  std::vector<std::string> found;
  for (const auto& [name, key_type] : kinds) {
    const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
        EVP_PKEY_CTX_new_from_name(nullptr, key_type, nullptr), &EVP_PKEY_CTX_free);
    if (context) found.emplace_back(name);
  }
  return found;
}

}  // namespace postrider::tls
