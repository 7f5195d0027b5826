// TLS 1.3 handshakes in memory, with no server around them: what they cost by themselves.
#pragma once

namespace postrider::bench {

struct HandshakeCosts {
  // Milliseconds of the server's side for one handshake.
  double openssl = 0;     // OpenSSL alone
  double key_inside = 0;  // our Engine, the key in the same process; CPU time
  double key_outside =
      0;  // our Engine, the key in another process that is asked by a socket; CPU time of both
};

enum class KeyType { rsa_2048, p_256 };

HandshakeCosts measure_handshakes(KeyType type, double seconds_each);

}  // namespace postrider::bench
