#include "tests/unit/tls/inside.h"

#include <malloc.h>

#include "lib/tls/engine_impl.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/allocator_interface.h>
#define HAVE_SANITIZER 1
#endif
#endif

namespace postrider::tls::test {

namespace {

// Engine keeps its Impl to itself; it is its only member.
SSL* ssl_of(Engine& engine) {
  static_assert(sizeof(Engine) == sizeof(void*));
  return (*static_cast<std::unique_ptr<Engine::Impl>*>(static_cast<void*>(&engine)))->ssl.get();
}

// Adds `by` to the big-endian number of `size` bytes at `at`.
void adjust(std::string& bytes, std::size_t at, std::size_t size, std::size_t by) {
  std::size_t number = 0;
  for (std::size_t i = 0; i < size; ++i) number = number << 8 | static_cast<unsigned char>(bytes[at + i]);
  number += by;
  for (std::size_t i = size; i-- > 0; number >>= 8) bytes[at + i] = static_cast<char>(number & 0xff);
}

}  // namespace

bool renegotiate(Engine& client) {
  SSL* ssl = ssl_of(client);
  SSL_clear_options(ssl, SSL_OP_NO_RENEGOTIATION);
  if (SSL_renegotiate(ssl) != 1) return false;
  SSL_do_handshake(ssl);
  return client.has_output();
}

bool finish_renegotiation(Pair& pair) {
  SSL* ssl = ssl_of(pair.client);
  for (int turn = 0; turn < 20; ++turn) {
    if (SSL_do_handshake(ssl) == 1 && SSL_renegotiate_pending(ssl) == 0)
      return SSL_num_renegotiations(ssl) > 0;
    std::array<char, 100> buffer{};
    std::size_t size = 0;
    pair.pump();
    pair.server.read_plain(buffer, size);
  }
  return false;
}

std::string with_server_name(std::string flight, const std::string& placeholder, const std::string& name) {
  const std::size_t at = flight.find(placeholder);
  if (at == std::string::npos || name.size() < placeholder.size()) return "";
  const std::size_t more = name.size() - placeholder.size();
  // RFC 8446 section 4.1.2: record 5, handshake 4, version 2, random 32, then three vectors.
  const auto byte = [&flight](std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(flight[i]));
  };
  std::size_t extensions = 5 + 4 + 2 + 32;
  extensions += 1 + byte(extensions);
  extensions += 2 + (byte(extensions) << 8 | byte(extensions + 1));
  extensions += 1 + byte(extensions);
  adjust(flight, 3, 2, more);
  adjust(flight, 6, 3, more);
  adjust(flight, extensions, 2, more);
  adjust(flight, at - 7, 2, more);
  adjust(flight, at - 5, 2, more);
  adjust(flight, at - 2, 2, more);
  return flight.replace(at, placeholder.size(), name);
}

long live_bytes() {
#ifdef HAVE_SANITIZER
  return static_cast<long>(__sanitizer_get_current_allocated_bytes());
#else
  return static_cast<long>(mallinfo2().uordblks);
#endif
}

}  // namespace postrider::tls::test
