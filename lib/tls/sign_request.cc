#include "lib/tls/sign_request.h"

#include <algorithm>

#include "lib/base/text.h"

namespace postrider::tls {

std::size_t digest_size(SignatureHash hash) {
  switch (hash) {
    case SignatureHash::sha256: return 32;
    case SignatureHash::sha384: return 48;
    case SignatureHash::sha512: return 64;
  }
  return 0;
}

bool valid(const SignRequest& request) {
  switch (request.kind) {
    case SignatureKind::rsa_pkcs1:
    case SignatureKind::rsa_pss:
    case SignatureKind::ecdsa: break;
    default: return false;
  }
  const std::size_t size = digest_size(request.hash);
  const auto hex = [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); };
  return size != 0 && request.digest.size() == size && request.key_id.size() == key_id_size &&
         std::all_of(request.key_id.begin(), request.key_id.end(), hex);
}

}  // namespace postrider::tls
