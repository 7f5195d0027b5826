#include <array>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "lib/tls/certificates.h"
#include "lib/tls/openssl.h"

namespace postrider::tls {

namespace {

EVP_PKEY* pkey(void* key) { return static_cast<EVP_PKEY*>(key); }

// Never asks on a terminal: an encrypted key is a mistake here.
int no_password(char*, int, int, void*) { return 0; }

const EVP_MD* digest_of(SignatureHash hash) {
  switch (hash) {
    case SignatureHash::sha256: return EVP_sha256();
    case SignatureHash::sha384: return EVP_sha384();
    case SignatureHash::sha512: return EVP_sha512();
  }
  return nullptr;
}

constexpr std::string_view begin_mark = "-----BEGIN ";
constexpr std::string_view end_mark = "-----END ";

// The next PEM block from `at` on, without what stands around it; empty at the end. Moves `at` on.
std::string_view next_block(std::string_view text, std::size_t& at) {
  const std::size_t begin = text.find(begin_mark, at);
  if (begin == std::string_view::npos) return {};
  const std::size_t end_line = text.find(end_mark, begin);
  const std::size_t end = end_line == std::string_view::npos ? text.size() : text.find('\n', end_line);
  at = end == std::string_view::npos ? text.size() : end;
  return text.substr(begin, at - begin);
}

bool is_private_key(std::string_view block) {
  const std::string_view first_line = block.substr(0, block.find('\n'));
  return first_line.find("PRIVATE KEY-----") != std::string_view::npos;
}

}  // namespace

void PrivateKey::Free::operator()(void* key) const { EVP_PKEY_free(pkey(key)); }

PrivateKey::PrivateKey(void* key)
    : key_(key), key_id_(key_id_of(pkey(key))), key_type_(key_type_of(pkey(key))) {}
PrivateKey::PrivateKey(PrivateKey&& other) noexcept = default;
PrivateKey& PrivateKey::operator=(PrivateKey&& other) noexcept = default;
PrivateKey::~PrivateKey() = default;

Result<PrivateKey> PrivateKey::from_pem(std::string_view pem) {
  std::size_t at = 0;
  std::string_view block;
  do {
    block = next_block(pem, at);
    if (block.empty()) return fail(Trouble::configuration, "no private key found");
  } while (!is_private_key(block));
  const BioOwner bio = read_bio(block);
  EVP_PKEY* key =
      PEM_read_bio_PrivateKey_ex(bio.get(), nullptr, no_password, nullptr, library(), "provider=default");
  if (!key) {
    const bool encrypted = block.find("ENCRYPTED") != std::string_view::npos;
    const std::string why = library_error();
    return fail(Trouble::configuration,
                encrypted ? "private key is encrypted with a password" : "malformed private key: " + why);
  }
  PrivateKey result{key};
  if (auto checked = check_key_type(key); !checked) return fail(checked.error());
  return result;
}

Result<std::vector<PrivateKey::WithChain>> PrivateKey::all_from_pem(std::string_view pem) {
  std::vector<WithChain> found;
  std::size_t at = 0;
  while (true) {
    const std::string_view block = next_block(pem, at);
    if (block.empty()) break;
    if (is_private_key(block)) {
      auto key = from_pem(block);
      if (!key) return fail(key.error());
      found.push_back({std::move(*key), ""});
    } else if (block.starts_with("-----BEGIN CERTIFICATE-----")) {
      if (found.empty()) {
        return fail(Trouble::configuration, "a certificate comes before the private key that it belongs to");
      }
      found.back().chain_pem.append(block).append("\n");
    }
  }
  return found;
}

Result<std::string> PrivateKey::sign(const SignRequest& request) const {
  if (!valid(request)) return fail(Trouble::permanent, "malformed signature request");
  if (request.key_id != key_id_) return fail(Trouble::permanent, "signature request for another key");
  EVP_PKEY* key = pkey(key_.get());
  const bool ec = EVP_PKEY_is_a(key, "EC");
  if (ec != (request.kind == SignatureKind::ecdsa)) {
    return fail(Trouble::permanent, "signature request for another kind of key");
  }
  const PkeyContextOwner context(EVP_PKEY_CTX_new_from_pkey(library(), key, "provider=default"));
  const auto broken = [] { return fail(Trouble::temporary, "private-key operation: " + library_error()); };
  if (!context || EVP_PKEY_sign_init(context.get()) != 1) return broken();
  if (!ec) {
    const bool pss = request.kind == SignatureKind::rsa_pss;
    if (EVP_PKEY_CTX_set_rsa_padding(context.get(), pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) != 1 ||
        (pss && EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), RSA_PSS_SALTLEN_DIGEST) != 1)) {
      return broken();
    }
  }
  if (EVP_PKEY_CTX_set_signature_md(context.get(), digest_of(request.hash)) != 1) return broken();
  std::array<unsigned char, max_signature_size> signature{};
  std::size_t size = signature.size();
  const auto* digest = static_cast<const unsigned char*>(static_cast<const void*>(request.digest.data()));
  if (EVP_PKEY_sign(context.get(), signature.data(), &size, digest, request.digest.size()) != 1)
    return broken();
  return std::string(signature.begin(), signature.begin() + static_cast<std::ptrdiff_t>(size));
}

}  // namespace postrider::tls
