#include "tests/unit/tls/authority.h"

#include <array>
#include <map>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "lib/tls/openssl.h"

namespace postrider::tls::test {

namespace {

PkeyOwner make_key(KeyKind kind) {
  switch (kind) {
    case KeyKind::rsa2048: return PkeyOwner(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048}));
    case KeyKind::rsa3072: return PkeyOwner(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{3072}));
    case KeyKind::rsa4096: return PkeyOwner(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{4096}));
    case KeyKind::p256: return PkeyOwner(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
    case KeyKind::p384: return PkeyOwner(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384"));
    case KeyKind::ed25519: return PkeyOwner(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  }
  return nullptr;
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

std::string certificate_pem(X509* certificate) {
  const BioOwner bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return text_of(bio.get());
}

std::string private_pem(EVP_PKEY* key) {
  const BioOwner bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return text_of(bio.get());
}

void add_extension(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

X509Owner make_certificate(const std::string& subject, EVP_PKEY* key, X509* issuer) {
  static long serial = 1;
  X509Owner certificate(X509_new());
  X509* it = certificate.get();
  X509_set_version(it, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(it), serial++);
  X509_gmtime_adj(X509_getm_notBefore(it), -3600);
  X509_gmtime_adj(X509_getm_notAfter(it), 86400);
  X509_NAME* name = X509_get_subject_name(it);
  const auto* bytes = static_cast<const unsigned char*>(static_cast<const void*>(subject.c_str()));
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, bytes, -1, -1, 0);
  X509_set_issuer_name(it, X509_get_subject_name(issuer ? issuer : it));
  X509_set_pubkey(it, key);
  return certificate;
}

}  // namespace

struct Authority::Inside {
  PkeyOwner key;
  X509Owner certificate;
};

Authority::Authority(const std::string& common_name, KeyKind kind) : inside_(std::make_unique<Inside>()) {
  inside_->key = make_key(kind);
  inside_->certificate = make_certificate(common_name, inside_->key.get(), nullptr);
  add_extension(inside_->certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(inside_->certificate.get(), inside_->key.get(), EVP_sha256());
  pem_ = certificate_pem(inside_->certificate.get());
  key_pem_ = private_pem(inside_->key.get());
}
Authority::~Authority() = default;

Made Authority::issue(const std::vector<std::string>& names, KeyKind kind) const {
  const PkeyOwner key = make_key(kind);
  const X509Owner certificate = make_certificate(names.front(), key.get(), inside_->certificate.get());
  std::string alternatives;
  for (const std::string& name : names) alternatives += (alternatives.empty() ? "DNS:" : ",DNS:") + name;
  add_extension(certificate.get(), NID_subject_alt_name, alternatives);
  X509_sign(certificate.get(), inside_->key.get(), EVP_sha256());
  return {certificate_pem(certificate.get()), private_pem(key.get())};
}

const Authority& authority() {
  static const Authority it("Test Authority");
  return it;
}

const Made& leaf(KeyKind kind) {
  static std::map<KeyKind, Made> made;
  auto found = made.find(kind);
  if (found == made.end()) found = made.emplace(kind, authority().issue({"mail.example.org"}, kind)).first;
  return found->second;
}

bool Pair::pump() {
  to_client += server.take_output();
  to_server += client.take_output();
  const auto move = [this](std::string& bytes, Engine& to) {
    const std::size_t count = step_bytes == 0 ? bytes.size() : std::min(step_bytes, bytes.size());
    to.feed(std::string_view(bytes).substr(0, count));
    bytes.erase(0, count);
    return count > 0;
  };
  const bool client_got = move(to_client, client);
  const bool server_got = move(to_server, server);
  return client_got || server_got;
}

bool Pair::handshake() {
  while (true) {
    if (client_step != Step::failed) client_step = client.handshake();
    if (server_step != Step::failed) server_step = server.handshake();
    if (server_step == Step::want_key) {
      ++signatures;
      const SignRequest request = server.sign_request();
      Result<std::string> answer = fail(Trouble::temporary, "the keys service is gone");
      for (const PrivateKey& key : keys) {
        if (!refuse_key && key.key_id() == request.key_id) answer = key.sign(request);
      }
      server.answer_key(std::move(answer));
      continue;
    }
    const bool moved = pump();
    if (client_step == Step::done && server_step == Step::done) return true;
    if (!moved) return false;
  }
}

std::string carry(Pair& pair, Engine& from, Engine& to, const std::string& text) {
  std::string arrived;
  if (from.write_plain(text) != Step::done) return "(write failed: " + from.error().text() + ")";
  while (true) {
    std::array<char, 4096> buffer{};
    std::size_t size = 0;
    const Step step = to.read_plain(buffer, size);
    arrived.append(buffer.data(), size);
    if (step == Step::failed) return arrived + "(read failed: " + to.error().text() + ")";
    if (step == Step::want_input && !pair.pump()) return arrived;
    if (step == Step::closed) return arrived + "(closed)";
  }
}

ServerSettings server_settings(KeyKind kind, const std::string& service) {
  ServerSettings settings;
  settings.service = service;
  settings.chains = {leaf(kind).certificate_pem + authority().pem()};
  return settings;
}

std::vector<PrivateKey> keys_of(std::initializer_list<KeyKind> kinds) {
  std::vector<PrivateKey> keys;
  for (const KeyKind kind : kinds) keys.push_back(std::move(*PrivateKey::from_pem(leaf(kind).key_pem)));
  return keys;
}

Pair make_pair(const ServerContext& server, const ClientContext& client, const ClientTarget& target,
               std::initializer_list<KeyKind> kinds) {
  return Pair{std::move(*server.accept()), std::move(*client.connect(target)), keys_of(kinds)};
}

TicketKey ticket_key(char fill) {
  TicketKey key;
  key.name.fill(fill);
  key.cipher.fill(fill);
  key.mac.fill(fill);
  return key;
}

}  // namespace postrider::tls::test
