#include "lib/tls/ticket_keys.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "lib/tls/openssl.h"

namespace postrider::tls {

namespace {

// Without randomness no secret may be made up: there is nothing sensible to go on with.
void fill_randomly(std::array<unsigned char, 32>& secret) {
  if (RAND_priv_bytes_ex(library(), secret.data(), secret.size(), 0) != 1) std::abort();
}

// HKDF-SHA256 (RFC 5869) with the service as info.
TicketKey derive(std::array<unsigned char, 32> secret, std::string_view service) {
  struct Free {
    void operator()(EVP_KDF* kdf) const { EVP_KDF_free(kdf); }
    void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
  };
  std::array<unsigned char, 16 + 32 + 32> bytes{};
  std::string info = "postrider session tickets ";
  info += service;
  char digest[] = "SHA256";
  std::array<OSSL_PARAM, 4> params{
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, secret.data(), secret.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data(), info.size()),
      OSSL_PARAM_construct_end()};
  const std::unique_ptr<EVP_KDF, Free> kdf(EVP_KDF_fetch(library(), "HKDF", nullptr));
  const std::unique_ptr<EVP_KDF_CTX, Free> context(kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr);
  if (!context || EVP_KDF_derive(context.get(), bytes.data(), bytes.size(), params.data()) != 1) std::abort();
  TicketKey key;
  auto from = bytes.begin();
  const auto take = [&from](auto& part) {
    std::copy_n(from, part.size(), part.begin());
    from += static_cast<std::ptrdiff_t>(part.size());
  };
  take(key.name);
  take(key.cipher);
  take(key.mac);
  OPENSSL_cleanse(bytes.data(), bytes.size());
  OPENSSL_cleanse(secret.data(), secret.size());
  return key;
}

}  // namespace

TicketKeyring::TicketKeyring(const Clock& clock, Seconds period)
    : clock_(clock), period_(std::max(period, Seconds{1})), began_(clock.mono()) {
  fill_randomly(present_);
  fill_randomly(former_);
}

TicketKeyring::~TicketKeyring() {
  OPENSSL_cleanse(present_.data(), present_.size());
  OPENSSL_cleanse(former_.data(), former_.size());
}

void TicketKeyring::rotate() {
  const auto passed = (clock_.mono() - began_) / period_;
  if (passed <= 0) return;
  // After more than one silent period even the last key has had its time.
  if (passed == 1) {
    former_ = present_;
  } else {
    fill_randomly(former_);
  }
  fill_randomly(present_);
  began_ += passed * period_;
}

std::vector<TicketKey> TicketKeyring::keys_for(std::string_view service) {
  rotate();
  return {derive(present_, service), derive(former_, service)};
}

Microseconds TicketKeyring::until_renewal() const {
  const Microseconds left = began_ + period_ - clock_.mono();
  return std::max(left, Microseconds{0});
}

}  // namespace postrider::tls
