#include "lib/tls/digest.h"

#include <array>
#include <cstdlib>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "lib/tls/openssl.h"

namespace postrider::tls {

namespace {

const EVP_MD* method(Hash hash) {
  static const std::array<const EVP_MD*, 4> fetched{
      EVP_MD_fetch(library(), "MD5", nullptr), EVP_MD_fetch(library(), "SHA1", nullptr),
      EVP_MD_fetch(library(), "SHA256", nullptr), EVP_MD_fetch(library(), "SHA512", nullptr)};
  const EVP_MD* found = fetched[static_cast<std::size_t>(hash)];
  if (!found) std::abort();
  return found;
}

const unsigned char* bytes_of(std::string_view text) {
  return static_cast<const unsigned char*>(static_cast<const void*>(text.data()));
}
unsigned char* bytes_of(std::string& text) {
  return static_cast<unsigned char*>(static_cast<void*>(text.data()));
}

}  // namespace

std::size_t hash_size(Hash hash) { return static_cast<std::size_t>(EVP_MD_get_size(method(hash))); }

std::string digest(Hash hash, std::string_view bytes) {
  std::string result(hash_size(hash), '\0');
  if (EVP_Digest(bytes.data(), bytes.size(), bytes_of(result), nullptr, method(hash), nullptr) != 1)
    std::abort();
  return result;
}

std::string hmac(Hash hash, std::string_view key, std::string_view bytes) {
  std::string result(hash_size(hash), '\0');
  unsigned int size = 0;
  // A null pointer would mean "the key of the last call".
  const unsigned char* key_bytes = key.empty() ? bytes_of(std::string_view("")) : bytes_of(key);
  if (!HMAC(method(hash), key_bytes, static_cast<int>(key.size()), bytes_of(bytes), bytes.size(),
            bytes_of(result), &size)) {
    std::abort();
  }
  return result;
}

std::string pbkdf2(Hash hash, std::string_view password, std::string_view salt, std::uint32_t iterations,
                   std::size_t size) {
  std::string result(size, '\0');
  if (PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), bytes_of(salt),
                        static_cast<int>(salt.size()), static_cast<int>(iterations), method(hash),
                        static_cast<int>(size), bytes_of(result)) != 1) {
    std::abort();
  }
  return result;
}

bool equal_secrets(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string random_bytes(std::size_t count) {
  std::string result(count, '\0');
  if (RAND_bytes_ex(library(), bytes_of(result), count, 0) != 1) std::abort();
  return result;
}

void wipe(std::string& secret) {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

}  // namespace postrider::tls
