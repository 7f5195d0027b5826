#include "lib/sasl/password_scheme.h"

#include <catch2/catch.hpp>

#include "lib/base/text.h"

using namespace postrider;
using namespace postrider::sasl;

TEST_CASE("every scheme of a Dovecot password file is verified") {
  // All made from "pass:word" with crypt(3), and by the definition of the scheme.
  const std::string password = "pass:word";
  const std::string scram = [&] {
    const ScramSecret secret = make_scram_secret(tls::Hash::sha256, password, "saltsalt", 4096);
    return "4096," + base64_encode(secret.salt) + "," + base64_encode(secret.stored_key) + "," +
           base64_encode(secret.server_key);
  }();
  for (const std::string& stored : std::initializer_list<std::string>{
           "{PLAIN}pass:word",
           "{CLEARTEXT}pass:word",
           "{plain}pass:word",
           "{PLAIN.b64}" + base64_encode(password),
           "{PLAIN.hex}" + hex_encode(password),
           "{CRYPT}$6$saltsalt$SERkwHa3K3JJvpeWCw2djYTBdBQouRmaol9kjQZR2Baz.."
           "OPWxBMnLyvIoRBJQ6vIeSuZliRrDkMuEGNJ5MRr1",
           "$6$saltsalt$SERkwHa3K3JJvpeWCw2djYTBdBQouRmaol9kjQZR2Baz.."
           "OPWxBMnLyvIoRBJQ6vIeSuZliRrDkMuEGNJ5MRr1",
           "{SHA512-CRYPT}$6$saltsalt$SERkwHa3K3JJvpeWCw2djYTBdBQouRmaol9kjQZR2Baz.."
           "OPWxBMnLyvIoRBJQ6vIeSuZliRrDkMuEGNJ5MRr1",
           "{SHA512-CRYPT.b64}" + base64_encode("$6$saltsalt$SERkwHa3K3JJvpeWCw2djYTBdBQouRmaol9kjQZR2Baz.."
                                                "OPWxBMnLyvIoRBJQ6vIeSuZliRrDkMuEGNJ5MRr1"),
           "{SHA256-CRYPT}$5$saltsalt$9MCST0/qetUc1qZcwEHnU5anCA43yZQ8J1IAhGzLoJC",
           "{MD5-CRYPT}$1$saltsalt$gl993GvOcHdGV5acJy1350",
           "{BLF-CRYPT}$2y$05$abcdefghijklmnopqrstuuDIEddBSuRWBBEY6g5zv60IAP5bSSfki",
           "$y$j75$k2XAnEHBqQ1Ct2aMXFKNa/$Baaqq.JoOjYtYBbZ1GzAYvFnQ93UCvCRgW/LY.lAfd8",
           "{PLAIN-MD5}" + hex_encode(tls::digest(tls::Hash::md5, password)),
           "{LDAP-MD5}" + base64_encode(tls::digest(tls::Hash::md5, password)),
           "{SHA}" + base64_encode(tls::digest(tls::Hash::sha1, password)),
           "{SHA1}" + hex_encode(tls::digest(tls::Hash::sha1, password)),
           "{SHA256}" + base64_encode(tls::digest(tls::Hash::sha256, password)),
           "{SHA256.hex}" + hex_encode(tls::digest(tls::Hash::sha256, password)),
           "{SHA512}" + base64_encode(tls::digest(tls::Hash::sha512, password)),
           "{SMD5}" + base64_encode(tls::digest(tls::Hash::md5, password + "salt") + "salt"),
           "{SSHA}" + base64_encode(tls::digest(tls::Hash::sha1, password + "salt") + "salt"),
           "{SSHA256}" + base64_encode(tls::digest(tls::Hash::sha256, password + "saltier") + "saltier"),
           "{SSHA512.hex}" + hex_encode(tls::digest(tls::Hash::sha512, password + "salt") + "salt"),
           "{PBKDF2}$1$salt$1000$" + hex_encode(tls::pbkdf2(tls::Hash::sha1, password, "salt", 1000, 20)),
           "{SCRAM-SHA-256}" + scram}) {
    INFO(stored);
    const auto right = verify_password(stored, password);
    REQUIRE(right);
    CHECK(*right);
    for (const std::string_view wrong : {"pass:worD", "", "pass:wor", "pass:word "}) {
      const auto verdict = verify_password(stored, wrong);
      REQUIRE(verdict);
      CHECK_FALSE(*verdict);
    }
    CHECK_FALSE(*verify_password(stored, std::string("pass:word\0x", 11)));
    CHECK_FALSE(*verify_password(stored, std::string(100'000, 'x')));
  }
}

TEST_CASE("stored passwords that make no sense are mistakes of the administrator, never matches") {
  for (const char* stored :
       {"{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$c2FsdA$aGFzaA", "{NONSENSE}x", "{}x", "{SHA256}short",
        "{SHA}!!!!",
        "{SSHA}"
        "c2hvcnQ=",
        "{PBKDF2}$1$salt$0$00", "{PBKDF2}$1$salt$4294967295$00", "{PBKDF2}$2$a$1$00",
        "{SCRAM-SHA-256}4096,AAAA,AAAA,AAAA", "{SCRAM-SHA-1}x", "{PLAIN.hex}zz", "{CRYPT}$99$what"}) {
    INFO(stored);
    const auto verdict = verify_password(stored, "x");
    REQUIRE_FALSE(verdict);
    CHECK(verdict.error().is(Trouble::configuration));
    CHECK(verdict.error().text().find("salt") == std::string::npos);
  }
}

TEST_CASE("locked and empty passwords match nothing") {
  for (const char* stored :
       {"", "*", "!", "!!", "*LK*", "!$6$saltsalt$abc", "{PLAIN}", "{CRYPT}*", "{CRYPT}"}) {
    INFO(stored);
    for (const char* given : {"", "*", "!", "x"}) CHECK_FALSE(verify_password(stored, given).value_or(false));
  }
}

TEST_CASE("plain and SCRAM secrets are found where they are stored") {
  CHECK(plaintext_of("{PLAIN}secret") == "secret");
  CHECK_FALSE(plaintext_of("{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M="));
  CHECK_FALSE(plaintext_of("secret"));
  // The example of RFC 7677 section 3.
  const auto salt = base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==");
  const ScramSecret made = make_scram_secret(tls::Hash::sha256, "pencil", *salt, 4096);
  const std::string stored = "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==," +
                             base64_encode(made.stored_key) + "," + base64_encode(made.server_key);
  CHECK(base64_encode(made.stored_key) == "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
  CHECK(base64_encode(made.server_key) == "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
  const auto found = scram_secret_of(stored);
  REQUIRE(found);
  CHECK(found->iterations == 4096);
  CHECK(found->stored_key == made.stored_key);
  CHECK(*verify_password(stored, "pencil"));
}

TEST_CASE("nobody's password costs time and matches nothing") {
  CHECK(nobodys_password().starts_with("$"));
  CHECK_FALSE(*verify_password(nobodys_password(), "x"));
}
