// Hashes, keyed hashes and randomness for rooms above this one; OpenSSL stays in here. Thread-safe.
// Failure to compute a hash means that OpenSSL does not work at all, and ends the process.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace postrider::tls {

enum class Hash { md5, sha1, sha256, sha512 };

std::size_t hash_size(Hash hash);
std::string digest(Hash hash, std::string_view bytes);
std::string hmac(Hash hash, std::string_view key, std::string_view bytes);
// RFC 8018 section 5.2. `iterations` is at least 1.
std::string pbkdf2(Hash hash, std::string_view password, std::string_view salt, std::uint32_t iterations,
                   std::size_t size);

// Equal? In a time that depends on the lengths alone.
bool equal_secrets(std::string_view a, std::string_view b);

// From the kernel's generator, for keys, salts and tickets.
std::string random_bytes(std::size_t count);

// Overwrites the text before it is given back.
void wipe(std::string& secret);

}  // namespace postrider::tls
