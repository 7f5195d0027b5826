#include "lib/tls/remote_key.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "lib/tls/openssl.h"

namespace postrider::tls {

namespace {

// Not constinit-reset between fibres: a job never migrates to another thread.
thread_local RemoteSigning* current_signing = nullptr;

// ---- keys. OpenSSL holds them as void*; each is a heap-allocated RemoteKey.

struct RemoteKey {
  const char* algorithm = nullptr;  // "RSA" or "EC"
  PkeyOwner public_key;             // in the default provider, which answers every question about it
  std::string key_id;
};

RemoteKey* key_of(void* keydata) { return static_cast<RemoteKey*>(keydata); }
const RemoteKey* key_of(const void* keydata) { return static_cast<const RemoteKey*>(keydata); }

void* new_key(const char* algorithm) {
  auto key = std::make_unique<RemoteKey>();
  key->algorithm = algorithm;
  return key.release();
}
void* key_new_rsa(void*) { return new_key("RSA"); }
void* key_new_ec(void*) { return new_key("EC"); }
void key_free(void* keydata) { delete key_of(keydata); }

// Claims the private part too: that is the point.
int key_has(const void* keydata, int) { return key_of(keydata)->public_key != nullptr; }

int key_match(const void* a, const void* b, int) {
  const RemoteKey* left = key_of(a);
  const RemoteKey* right = key_of(b);
  if (!left->public_key || !right->public_key) return 0;
  return EVP_PKEY_eq(left->public_key.get(), right->public_key.get()) == 1;
}

int key_import(void* keydata, int, const OSSL_PARAM params[]) {
  RemoteKey* key = key_of(keydata);
  const PkeyContextOwner context(EVP_PKEY_CTX_new_from_name(library(), key->algorithm, "provider=default"));
  if (!context || EVP_PKEY_fromdata_init(context.get()) != 1) return 0;
  std::array<OSSL_PARAM, 32> copy{};  // fromdata takes them writable
  std::size_t count = 0;
  for (; params[count].key && count + 1 < copy.size(); ++count) copy[count] = params[count];
  copy[count] = OSSL_PARAM_construct_end();
  EVP_PKEY* made = nullptr;
  if (EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, copy.data()) != 1) return 0;
  key->public_key.reset(made);
  key->key_id = key_id_of(made);
  return 1;
}

// Refuses to be exported as a key pair, or OpenSSL would sign with the public half elsewhere.
int key_export(void* keydata, int selection, OSSL_CALLBACK* callback, void* argument) {
  const RemoteKey* key = key_of(keydata);
  if (!key->public_key || (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0) return 0;
  return EVP_PKEY_export(key->public_key.get(), selection, callback, argument);
}

const OSSL_PARAM* key_types(int selection) {
  static const std::array<OSSL_PARAM, 6> public_types{
      {OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, nullptr, 0), OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, nullptr, 0),
       OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, nullptr, 0),
       OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, nullptr, 0), OSSL_PARAM_END}};
  return (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0 ? public_types.data() : nullptr;
}

int key_get_params(void* keydata, OSSL_PARAM params[]) {
  const RemoteKey* key = key_of(keydata);
  if (!key->public_key) return 0;
  // Unknown parameters are left unmodified by the default provider; that is no failure.
  EVP_PKEY_get_params(key->public_key.get(), params);
  return 1;
}

const OSSL_PARAM* key_gettable(void*) {
  static const std::array<OSSL_PARAM, 7> types{
      {OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, nullptr), OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, nullptr),
       OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, nullptr),
       OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, nullptr, 0),
       OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, nullptr, 0), OSSL_PARAM_END}};
  return types.data();
}

const char* ec_operation(int operation) { return operation == OSSL_OP_SIGNATURE ? "ECDSA" : "EC"; }

// ---- signatures

struct Signing {
  const RemoteKey* key = nullptr;
  SignatureKind kind = SignatureKind::rsa_pkcs1;
  std::string hash_name;
};

Signing* signing_of(void* context) { return static_cast<Signing*>(context); }

void* sign_new(void*, const char*) { return new Signing; }
void sign_free(void* context) { delete signing_of(context); }
void* sign_copy(void* context) { return new Signing(*signing_of(context)); }

// One of the names and numbers under which OpenSSL passes the padding; false for others.
bool is_pss(const OSSL_PARAM& param, bool& pss) {
  if (param.data_type == OSSL_PARAM_UTF8_STRING) {
    const std::string_view name(static_cast<const char*>(param.data));
    pss = name == OSSL_PKEY_RSA_PAD_MODE_PSS;
    return pss || name == OSSL_PKEY_RSA_PAD_MODE_PKCSV15;
  }
  int mode = 0;
  if (!OSSL_PARAM_get_int(&param, &mode)) return false;
  pss = mode == RSA_PKCS1_PSS_PADDING;
  return pss || mode == RSA_PKCS1_PADDING;
}

bool salt_is_digest_long(const OSSL_PARAM& param) {
  if (param.data_type == OSSL_PARAM_UTF8_STRING) {
    return std::string_view(static_cast<const char*>(param.data)) == OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST;
  }
  int size = 0;
  return OSSL_PARAM_get_int(&param, &size) && size == RSA_PSS_SALTLEN_DIGEST;
}

int sign_set_params(void* context, const OSSL_PARAM params[]) {
  Signing* signing = signing_of(context);
  if (!params) return 1;
  for (const OSSL_PARAM* param = params; param->key; ++param) {
    const std::string_view name = param->key;
    if (name == OSSL_SIGNATURE_PARAM_PAD_MODE && signing->kind != SignatureKind::ecdsa) {
      bool pss = false;
      if (!is_pss(*param, pss)) return 0;
      signing->kind = pss ? SignatureKind::rsa_pss : SignatureKind::rsa_pkcs1;
    } else if (name == OSSL_SIGNATURE_PARAM_PSS_SALTLEN) {
      if (!salt_is_digest_long(*param)) return 0;
    }
  }
  return 1;
}

const OSSL_PARAM* sign_settable(void*, void*) {
  static const std::array<OSSL_PARAM, 4> types{
      {OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, nullptr, 0),
       OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, nullptr, 0), OSSL_PARAM_END}};
  return types.data();
}

int sign_init(void* context, const char* hash_name, void* keydata, const OSSL_PARAM params[]) {
  Signing* signing = signing_of(context);
  if (keydata) signing->key = key_of(keydata);
  if (!signing->key) return 0;
  signing->kind =
      std::strcmp(signing->key->algorithm, "EC") == 0 ? SignatureKind::ecdsa : SignatureKind::rsa_pkcs1;
  signing->hash_name = hash_name ? hash_name : "SHA256";
  return sign_set_params(context, params);
}

bool hash_of(const std::string& name, SignatureHash& hash, const EVP_MD*& digest) {
  digest = EVP_get_digestbyname(name.c_str());
  if (!digest) return false;
  switch (EVP_MD_get_type(digest)) {
    case NID_sha256: hash = SignatureHash::sha256; return true;
    case NID_sha384: hash = SignatureHash::sha384; return true;
    case NID_sha512: hash = SignatureHash::sha512; return true;
    default: return false;
  }
}

// With `signature` null the question is only how long one may be.
int sign_data(void* context, unsigned char* signature, std::size_t* size, std::size_t room,
              const unsigned char* data, std::size_t data_size) {
  const Signing* signing = signing_of(context);
  EVP_PKEY* public_key = signing->key->public_key.get();
  const auto largest = static_cast<std::size_t>(EVP_PKEY_get_size(public_key));
  if (!signature) {
    *size = largest;
    return 1;
  }
  SignRequest request;
  const EVP_MD* digest = nullptr;
  if (!current_signing || !hash_of(signing->hash_name, request.hash, digest)) return 0;
  std::array<unsigned char, EVP_MAX_MD_SIZE> hashed{};
  unsigned int hashed_size = 0;
  if (!EVP_Digest(data, data_size, hashed.data(), &hashed_size, digest, nullptr)) return 0;
  request.kind = signing->kind;
  request.digest.assign(hashed.begin(), hashed.begin() + hashed_size);
  request.key_id = signing->key->key_id;
  const Result<std::string> answer = current_signing->sign(std::move(request));
  if (!answer || answer->size() > largest || answer->size() > room) return 0;
  std::copy(answer->begin(), answer->end(), signature);
  *size = answer->size();
  return 1;
}

// ---- tables

using Function = void (*)();
template <class F>
constexpr Function as_function(F* f) {
  return reinterpret_cast<Function>(f);
}

const OSSL_DISPATCH* key_functions(bool ec) {
  static const auto table = [](bool for_ec) {
    return std::array<OSSL_DISPATCH, 12>{{
        {OSSL_FUNC_KEYMGMT_NEW, as_function(for_ec ? key_new_ec : key_new_rsa)},
        {OSSL_FUNC_KEYMGMT_FREE, as_function(key_free)},
        {OSSL_FUNC_KEYMGMT_HAS, as_function(key_has)},
        {OSSL_FUNC_KEYMGMT_MATCH, as_function(key_match)},
        {OSSL_FUNC_KEYMGMT_IMPORT, as_function(key_import)},
        {OSSL_FUNC_KEYMGMT_IMPORT_TYPES, as_function(key_types)},
        {OSSL_FUNC_KEYMGMT_EXPORT, as_function(key_export)},
        {OSSL_FUNC_KEYMGMT_EXPORT_TYPES, as_function(key_types)},
        {OSSL_FUNC_KEYMGMT_GET_PARAMS, as_function(key_get_params)},
        {OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, as_function(key_gettable)},
        {for_ec ? OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME : 0, for_ec ? as_function(ec_operation) : nullptr},
        {0, nullptr},
    }};
  };
  static const auto rsa_table = table(false);
  static const auto ec_table = table(true);
  return ec ? ec_table.data() : rsa_table.data();
}

const OSSL_DISPATCH* sign_functions() {
  static const std::array<OSSL_DISPATCH, 8> table{{
      {OSSL_FUNC_SIGNATURE_NEWCTX, as_function(sign_new)},
      {OSSL_FUNC_SIGNATURE_FREECTX, as_function(sign_free)},
      {OSSL_FUNC_SIGNATURE_DUPCTX, as_function(sign_copy)},
      {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, as_function(sign_init)},
      {OSSL_FUNC_SIGNATURE_DIGEST_SIGN, as_function(sign_data)},
      {OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, as_function(sign_set_params)},
      {OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, as_function(sign_settable)},
      {0, nullptr},
  }};
  return table.data();
}

const OSSL_ALGORITHM* query(void*, int operation, int* no_store) {
  static const std::array<OSSL_ALGORITHM, 3> keys{{
      {"RSA:rsaEncryption:1.2.840.113549.1.1.1", "provider=postrider", key_functions(false), nullptr},
      {"EC:id-ecPublicKey:1.2.840.10045.2.1", "provider=postrider", key_functions(true), nullptr},
      {nullptr, nullptr, nullptr, nullptr},
  }};
  static const std::array<OSSL_ALGORITHM, 3> signatures{{
      {"RSA:rsaEncryption:1.2.840.113549.1.1.1", "provider=postrider", sign_functions(), nullptr},
      {"ECDSA", "provider=postrider", sign_functions(), nullptr},
      {nullptr, nullptr, nullptr, nullptr},
  }};
  *no_store = 0;
  switch (operation) {
    case OSSL_OP_KEYMGMT: return keys.data();
    case OSSL_OP_SIGNATURE: return signatures.data();
    default: return nullptr;
  }
}

}  // namespace

int remote_provider_init(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** out,
                         void** provider_context) {
  static const std::array<OSSL_DISPATCH, 2> table{
      {{OSSL_FUNC_PROVIDER_QUERY_OPERATION, as_function(query)}, {0, nullptr}}};
  static char context = 0;  // OpenSSL wants something that is not null
  *provider_context = &context;
  *out = table.data();
  return 1;
}

RemoteSigning::Scope::Scope(RemoteSigning& signing) : before_(std::exchange(current_signing, &signing)) {}
RemoteSigning::Scope::~Scope() { current_signing = before_; }

EVP_PKEY* make_remote_key(EVP_PKEY* public_key) {
  const char* algorithm = EVP_PKEY_is_a(public_key, "EC") ? "EC" : "RSA";
  OSSL_PARAM* params = nullptr;
  EVP_PKEY* made = nullptr;
  if (EVP_PKEY_todata(public_key, EVP_PKEY_PUBLIC_KEY, &params) != 1) return nullptr;
  const PkeyContextOwner context(EVP_PKEY_CTX_new_from_name(library(), algorithm, "provider=postrider"));
  if (!context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_KEYPAIR, params) != 1) {
    made = nullptr;
  }
  OSSL_PARAM_free(params);
  return made;
}

}  // namespace postrider::tls
