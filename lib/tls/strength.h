// Inside lib/tls only: main.cf's words for protocols and ciphers, as OpenSSL wants them.
#pragma once

#include <string>
#include <string_view>

#include <openssl/ssl.h>

#include "lib/base/error.h"
#include "lib/tls/context.h"

namespace postrider::tls {

struct Protocols {
  int lowest = 0;  // TLS1_VERSION …; what SSL_CTX_set_min_proto_version takes
  int highest = 0;
  std::uint64_t options = 0;  // SSL_OP_NO_… for versions missing between them
};

// `floor` is the lowest version that may come out, TLS1_2_VERSION for servers.
Result<Protocols> parse_protocols(std::string_view text, int floor);

// OpenSSL's cipher list for TLS up to 1.2. Key exchanges that decrypt with the private key are left
// out when `signatures_only`.
Result<std::string> cipher_list(const Strength& strength, bool signatures_only);

// Applies all of it.
Result<> apply_strength(SSL_CTX* context, const Strength& strength, bool server);

}  // namespace postrider::tls
