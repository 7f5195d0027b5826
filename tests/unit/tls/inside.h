// For tests that need what an Engine does not offer: misbehaving clients, and how much memory is in use.
#pragma once

#include <string>

#include "tests/unit/tls/authority.h"

namespace postrider::tls::test {

// Puts a second ClientHello into the client's output; false when OpenSSL would not.
bool renegotiate(Engine& client);
// Drives the second handshake to its end; false when it does not come to one.
bool finish_renegotiation(Pair& pair);

// The client's first flight with another, at least as long, name in its server_name extension.
std::string with_server_name(std::string flight, const std::string& placeholder, const std::string& name);

// Bytes allocated and not freed in this process.
long live_bytes();

}  // namespace postrider::tls::test
