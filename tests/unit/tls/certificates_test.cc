#include "lib/tls/certificates.h"

#include <catch2/catch.hpp>

#include "tests/unit/tls/authority.h"

using namespace postrider;
using namespace postrider::tls;
using namespace postrider::tls::test;

TEST_CASE("a chain is described by its leaf") {
  const Made& made = leaf(KeyKind::rsa2048);
  const auto summary = describe_chain(made.certificate_pem + authority().pem());
  REQUIRE(summary);
  CHECK(summary->key_type == "RSA (2048 bits)");
  CHECK(summary->subject == "mail.example.org");
  CHECK(summary->certificates == 2);
  CHECK(summary->complaint.empty());
  CHECK(summary->not_after - summary->not_before == Seconds(90000));
  CHECK(summary->key_id == PrivateKey::from_pem(made.key_pem)->key_id());
}

TEST_CASE("a chain in the wrong order draws a complaint") {
  const Authority other("Other");
  const auto summary = describe_chain(leaf(KeyKind::p256).certificate_pem + other.pem());
  REQUIRE(summary);
  CHECK(summary->complaint ==
        "the certificate of \"mail.example.org\" is not signed by the one that follows it");
}

TEST_CASE("a chain file gives keys with their certificates, in order") {
  const Made& rsa = leaf(KeyKind::rsa2048);
  const Made& ec = leaf(KeyKind::p256);
  const auto found = PrivateKey::all_from_pem("# comment\n" + rsa.key_pem + rsa.certificate_pem +
                                              authority().pem() + ec.key_pem + ec.certificate_pem);
  REQUIRE(found);
  REQUIRE(found->size() == 2);
  CHECK((*found)[0].key.key_type() == "RSA (2048 bits)");
  CHECK(describe_chain((*found)[0].chain_pem)->certificates == 2);
  CHECK(describe_chain((*found)[1].chain_pem)->key_id == (*found)[1].key.key_id());
  CHECK_FALSE(PrivateKey::all_from_pem(ec.certificate_pem + ec.key_pem));
}

TEST_CASE("only certificates leave a file that holds keys") {
  const Made& made = leaf(KeyKind::p256);
  const auto text = only_certificates(made.key_pem + made.certificate_pem);
  REQUIRE(text);
  CHECK(text->find("PRIVATE") == std::string::npos);
  CHECK(describe_chain(*text)->key_id == describe_chain(made.certificate_pem)->key_id);
}

TEST_CASE("unusable private keys are refused with a reason") {
  const std::string& good = leaf(KeyKind::p256).key_pem;
  CHECK(PrivateKey::from_pem("").error().text() == "no private key found");
  CHECK(PrivateKey::from_pem(good.substr(0, good.size() / 2))
            .error()
            .text()
            .starts_with("malformed private key"));
  const Made ed = authority().issue({"x.example"}, KeyKind::ed25519);
  CHECK(PrivateKey::from_pem(ed.key_pem).error().text() == "a key that is neither RSA nor ECDSA");
  const std::string encrypted =
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIBvTBXBgkqhkiG9w0BBQ0wSjApBgkqhkiG9w0BBQwwHAQI\n-----END "
      "ENCRYPTED "
      "PRIVATE KEY-----\n";
  CHECK(PrivateKey::from_pem(encrypted).error().text() == "private key is encrypted with a password");
}

TEST_CASE("a key signs what TLS signs and nothing else") {
  const PrivateKey rsa = std::move(*PrivateKey::from_pem(leaf(KeyKind::rsa2048).key_pem));
  const PrivateKey ec = std::move(*PrivateKey::from_pem(leaf(KeyKind::p256).key_pem));
  const SignRequest good{rsa.key_id(), SignatureKind::rsa_pkcs1, SignatureHash::sha256, std::string(32, 'd')};
  REQUIRE(rsa.sign(good));
  CHECK(rsa.sign(good)->size() == 256);

  SignRequest raw = good;
  raw.digest = std::string(256, 'c');  // a ciphertext to decrypt
  CHECK_FALSE(rsa.sign(raw));
  raw.hash = static_cast<SignatureHash>(0);
  CHECK_FALSE(rsa.sign(raw));
  SignRequest padding = good;
  padding.kind = static_cast<SignatureKind>(9);
  CHECK_FALSE(rsa.sign(padding));
  SignRequest mixed = good;
  mixed.kind = SignatureKind::ecdsa;
  CHECK_FALSE(rsa.sign(mixed));
  CHECK_FALSE(ec.sign(good));
  mixed.key_id = ec.key_id();
  CHECK(ec.sign(mixed));
  mixed.key_id += "0";
  CHECK_FALSE(ec.sign(mixed));
}
