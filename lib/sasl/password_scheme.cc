#include "lib/sasl/password_scheme.h"

#include <array>
#include <memory>

#include <crypt.h>

#include "lib/base/text.h"

namespace postrider::sasl {

namespace {

using tls::Hash;

enum class Encoding { natural, base64, hex };  // natural: hexadecimal if it has that length, else base64

struct Stored {
  std::string scheme;  // upper-case
  Encoding encoding = Encoding::natural;
  std::string_view data;
};

enum class Kind { plain, crypt, digest, salted, pbkdf2, scram };
struct Scheme {
  std::string_view name;
  Kind kind;
  Hash hash = Hash::sha1;
};
constexpr std::array<Scheme, 26> schemes{{{"PLAIN", Kind::plain},
                                          {"CLEAR", Kind::plain},
                                          {"CLEARTEXT", Kind::plain},
                                          {"CRYPT", Kind::crypt},
                                          {"DES-CRYPT", Kind::crypt},
                                          {"MD5-CRYPT", Kind::crypt},
                                          {"MD5", Kind::crypt},
                                          {"SHA256-CRYPT", Kind::crypt},
                                          {"SHA512-CRYPT", Kind::crypt},
                                          {"BLF-CRYPT", Kind::crypt},
                                          {"YESCRYPT", Kind::crypt},
                                          {"PLAIN-MD5", Kind::digest, Hash::md5},
                                          {"LDAP-MD5", Kind::digest, Hash::md5},
                                          {"SHA", Kind::digest, Hash::sha1},
                                          {"SHA1", Kind::digest, Hash::sha1},
                                          {"SHA256", Kind::digest, Hash::sha256},
                                          {"SHA512", Kind::digest, Hash::sha512},
                                          {"SMD5", Kind::salted, Hash::md5},
                                          {"SSHA", Kind::salted, Hash::sha1},
                                          {"SSHA256", Kind::salted, Hash::sha256},
                                          {"SSHA512", Kind::salted, Hash::sha512},
                                          {"PBKDF2", Kind::pbkdf2, Hash::sha1},
                                          {"SCRAM-SHA-1", Kind::scram, Hash::sha1},
                                          {"SCRAM-SHA-256", Kind::scram, Hash::sha256},
                                          {"SCRAM-SHA-1-PLUS", Kind::scram, Hash::sha1},
                                          {"SCRAM-SHA-256-PLUS", Kind::scram, Hash::sha256}}};

// A cost that no administrator chose on purpose: a minute and more for one login.
constexpr std::uint32_t max_iterations = 10'000'000;

const Scheme* find_scheme(std::string_view name) {
  for (const Scheme& scheme : schemes) {
    if (scheme.name == name) return &scheme;
  }
  return nullptr;
}

Stored take_apart(std::string_view stored) {
  Stored result;
  result.scheme = "CRYPT";
  result.data = stored;
  if (!stored.starts_with('{')) return result;
  const std::size_t close = stored.find('}');
  if (close == std::string_view::npos) return result;
  std::string_view name = stored.substr(1, close - 1);
  result.data = stored.substr(close + 1);
  if (const std::size_t dot = name.rfind('.'); dot != std::string_view::npos) {
    const std::string_view suffix = name.substr(dot + 1);
    if (iequals(suffix, "b64") || iequals(suffix, "base64")) result.encoding = Encoding::base64;
    if (iequals(suffix, "hex")) result.encoding = Encoding::hex;
    if (result.encoding != Encoding::natural) name = name.substr(0, dot);
  }
  result.scheme = upper(name);
  return result;
}

// Base64 with or without its padding.
std::optional<std::string> from_base64(std::string_view text) {
  std::string padded(text);
  while (padded.size() % 4 != 0) padded += '=';
  return base64_decode(padded);
}

std::optional<std::string> decode(const Stored& stored, std::size_t size) {
  const bool hex = stored.encoding == Encoding::hex ||
                   (stored.encoding == Encoding::natural && size != 0 && stored.data.size() == size * 2);
  return hex ? hex_decode(stored.data) : from_base64(stored.data);
}

// With an explicit encoding, text schemes hold encoded text.
std::optional<std::string> decode_text(const Stored& stored) {
  switch (stored.encoding) {
    case Encoding::natural: return std::string(stored.data);
    case Encoding::base64: return from_base64(stored.data);
    case Encoding::hex: return hex_decode(stored.data);
  }
  return std::nullopt;
}

std::unexpected<Error> malformed(const Stored& stored) {
  return fail(Trouble::configuration, "malformed stored password of scheme {" + stored.scheme + "}");
}

Result<bool> verify_crypt(const Stored& stored, std::string_view given) {
  const std::optional<std::string> setting = decode_text(stored);
  if (!setting) return malformed(stored);
  // 32 KiB, too much for a thread's stack to spare.
  const auto workspace = std::make_unique<crypt_data>();
  std::string phrase(given);
  const char* made = crypt_rn(phrase.c_str(), setting->c_str(), workspace.get(), sizeof(crypt_data));
  tls::wipe(phrase);
  // "*" locks an account, as in shadow(5); a shape that crypt does not know it answers with "*0".
  if (!made || made[0] == '*') {
    if (setting->starts_with('*') || setting->starts_with('!')) return false;
    return malformed(stored);
  }
  return tls::equal_secrets(made, *setting);
}

Result<bool> verify_digest(const Stored& stored, const Scheme& scheme, std::string_view given) {
  const std::size_t size = tls::hash_size(scheme.hash);
  const auto data = decode(stored, size);
  if (!data || data->size() != size) return malformed(stored);
  return tls::equal_secrets(*data, tls::digest(scheme.hash, given));
}

Result<bool> verify_salted(const Stored& stored, const Scheme& scheme, std::string_view given) {
  const std::size_t size = tls::hash_size(scheme.hash);
  const auto data = decode(stored, 0);
  if (!data || data->size() <= size) return malformed(stored);
  std::string salted(given);
  salted.append(*data, size);
  const std::string made = tls::digest(scheme.hash, salted);
  tls::wipe(salted);
  return tls::equal_secrets(data->substr(0, size), made);
}

// "$1$<salt>$<rounds>$<40 hexadecimal digits>"
Result<bool> verify_pbkdf2(const Stored& stored, const Scheme& scheme, std::string_view given) {
  const auto parts = split(stored.data, '$');
  if (parts.size() != 5 || !parts[0].empty() || parts[1] != "1") return malformed(stored);
  const auto rounds = parse_number<std::uint32_t>(parts[3]);
  const auto wanted = hex_decode(lower(parts[4]));
  if (!rounds || *rounds == 0 || *rounds > max_iterations || !wanted || wanted->empty())
    return malformed(stored);
  if (wanted->size() > 64) return malformed(stored);
  return tls::equal_secrets(*wanted, tls::pbkdf2(scheme.hash, given, parts[2], *rounds, wanted->size()));
}

std::optional<ScramSecret> parse_scram(const Stored& stored, const Scheme& scheme) {
  const auto parts = split(stored.data, ',');
  if (parts.size() != 4) return std::nullopt;
  const auto iterations = parse_number<std::uint32_t>(parts[0]);
  const auto salt = from_base64(parts[1]);
  const auto stored_key = from_base64(parts[2]);
  const auto server_key = from_base64(parts[3]);
  const std::size_t size = tls::hash_size(scheme.hash);
  if (!iterations || *iterations == 0 || *iterations > max_iterations || !salt || !stored_key ||
      !server_key || stored_key->size() != size || server_key->size() != size) {
    return std::nullopt;
  }
  return ScramSecret{scheme.hash, *iterations, *salt, *stored_key, *server_key};
}

}  // namespace

Result<bool> verify_password(std::string_view text, std::string_view given) {
  const Stored stored = take_apart(text);
  const Scheme* scheme = find_scheme(stored.scheme);
  if (!scheme) return fail(Trouble::configuration, "unknown password scheme {" + stored.scheme + "}");
  if (stored.data.empty()) return false;
  if (given.size() > max_password || given.find('\0') != std::string_view::npos) return false;
  switch (scheme->kind) {
    case Kind::crypt: return verify_crypt(stored, given);
    case Kind::digest: return verify_digest(stored, *scheme, given);
    case Kind::salted: return verify_salted(stored, *scheme, given);
    case Kind::pbkdf2: return verify_pbkdf2(stored, *scheme, given);
    case Kind::plain: {
      const auto password = decode_text(stored);
      if (!password) return malformed(stored);
      return tls::equal_secrets(*password, given);
    }
    case Kind::scram: {
      const auto secret = parse_scram(stored, *scheme);
      if (!secret) return malformed(stored);
      const ScramSecret made = make_scram_secret(secret->hash, given, secret->salt, secret->iterations);
      return tls::equal_secrets(made.stored_key, secret->stored_key);
    }
  }
  return false;
}

std::optional<std::string> plaintext_of(std::string_view text) {
  const Stored stored = take_apart(text);
  const Scheme* scheme = find_scheme(stored.scheme);
  if (!scheme || scheme->kind != Kind::plain || stored.data.empty()) return std::nullopt;
  return decode_text(stored);
}

std::optional<ScramSecret> scram_secret_of(std::string_view text) {
  const Stored stored = take_apart(text);
  const Scheme* scheme = find_scheme(stored.scheme);
  if (!scheme || scheme->kind != Kind::scram) return std::nullopt;
  return parse_scram(stored, *scheme);
}

ScramSecret make_scram_secret(tls::Hash hash, std::string_view password, std::string_view salt,
                              std::uint32_t iterations) {
  // RFC 5802 section 3. SASLprep is left to the client: what it changes few passwords have.
  const std::string salted = tls::pbkdf2(hash, password, salt, iterations, tls::hash_size(hash));
  ScramSecret secret{hash, iterations, std::string(salt), "", ""};
  secret.stored_key = tls::digest(hash, tls::hmac(hash, salted, "Client Key"));
  secret.server_key = tls::hmac(hash, salted, "Server Key");
  return secret;
}

const std::string& nobodys_password() {
  static const std::string hash = [] {
    std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> setting{};
    const std::string random = tls::random_bytes(32);
    const auto workspace = std::make_unique<crypt_data>();
    if (!crypt_gensalt_rn(nullptr, 0, random.data(), 32, setting.data(), setting.size()))
      return std::string("*");
    const std::string password = hex_encode(tls::random_bytes(32));
    const char* made = crypt_rn(password.c_str(), setting.data(), workspace.get(), sizeof(crypt_data));
    return std::string(made ? made : "*");
  }();
  return hash;
}

std::vector<std::string_view> password_schemes() {
  std::vector<std::string_view> names;
  for (const Scheme& scheme : schemes) names.push_back(scheme.name);
  return names;
}

}  // namespace postrider::sasl
