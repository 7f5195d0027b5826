// Stored passwords: "{SCHEME}data", "{SCHEME.b64}data", or without a scheme what crypt(3) makes. The
// schemes and their notations are Dovecot's, so that its password files serve here.
//
// Whoever verifies spends the time that the scheme is made to cost: never on a loop. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/tls/digest.h"

namespace postrider::sasl {

// Passwords beyond this, or with a NUL in them, match nothing.
inline constexpr std::size_t max_password = 512;

// Does `given` match? Compared in constant time. configuration: the scheme is not known, or the data do not
// have its shape; the text names the scheme and never shows the data. An empty stored password matches
// nothing.
Result<bool> verify_password(std::string_view stored, std::string_view given);

// The password itself, where the scheme keeps it ({PLAIN}, {CLEAR}, {CLEARTEXT}).
std::optional<std::string> plaintext_of(std::string_view stored);

// What SCRAM (RFC 5802) needs; from {SCRAM-SHA-1} and {SCRAM-SHA-256} "iterations,salt,stored,server".
struct ScramSecret {
  tls::Hash hash = tls::Hash::sha256;
  std::uint32_t iterations = 0;
  std::string salt, stored_key, server_key;  // decoded
};
std::optional<ScramSecret> scram_secret_of(std::string_view stored);
ScramSecret make_scram_secret(tls::Hash hash, std::string_view password, std::string_view salt,
                              std::uint32_t iterations);

// A hash that no password matches and that costs what crypt(3) prefers; to be verified in place of that
// of a user who does not exist.
const std::string& nobodys_password();

// Names of the schemes, for messages and the manual page.
std::vector<std::string_view> password_schemes();

}  // namespace postrider::sasl
