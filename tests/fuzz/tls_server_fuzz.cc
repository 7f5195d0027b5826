// A server Engine fed whatever a stranger sends before and during the handshake: ours is the server_name
// parser, the BIO and the pausing; OpenSSL's own parsers come along. The certificate is made once.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "lib/tls/context.h"

namespace {

using namespace postrider;

// Self-signed, P-256, for "fuzz.example.org"; its key was thrown away.
constexpr const char* certificate = R"(-----BEGIN CERTIFICATE-----
MIIBjjCCATOgAwIBAgIUGj4pY0KHEQsdmPrpQjWoySGvhoMwCgYIKoZIzj0EAwIw
GzEZMBcGA1UEAwwQZnV6ei5leGFtcGxlLm9yZzAgFw0yNjExMjMwNjU1MzBaGA8y
MDgxMDgyNjA2NTUzMFowGzEZMBcGA1UEAwwQZnV6ei5leGFtcGxlLm9yZzBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABI1zP9lvok+/iezCGMQZ3cb6kfovK6I/uh7b
PpXXVBxaOmj8+8081EX1+dMJHk494pe4XcZk7oKG3REJA3miCY6jUzBRMB0GA1Ud
DgQWBBTjLsGgf4CnmB1Spwfvw8/3IXcdmDAfBgNVHSMEGDAWgBTjLsGgf4CnmB1S
pwfvw8/3IXcdmDAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQDC
WLkZ4zcZeQjD8L4B0QYPeVYlvUREBTSjK1Cew15N0gIhAOB3KzPcbfo4Nlx6ZP47
VEzd5uK7QCYyqUM9zIVqVW8L
-----END CERTIFICATE-----
)";

const tls::ServerContext& context() {
  static const tls::ServerContext made = [] {
    tls::ServerSettings settings;
    settings.service = "fuzz";
    settings.chains = {certificate};
    settings.alpn = {"imap"};
    settings.names = {{".example.org", {certificate}}};
    auto result = tls::ServerContext::make(settings);
    if (!result) __builtin_trap();
    result->set_ticket_keys({tls::TicketKey{}});
    return std::move(*result);
  }();
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto engine = context().accept();
  if (!engine) return 0;
  std::size_t at = 0;
  while (at < size) {
    const std::size_t count = std::min<std::size_t>(size - at, 1 + data[at] * 4U);
    engine->feed(std::string(data + at, data + at + count));
    at += count;
    tls::Step step = engine->handshake();
    if (step == tls::Step::want_key) {
      if (!tls::valid(engine->sign_request())) __builtin_trap();
      engine->answer_key(std::string(64, 's'));
      step = engine->handshake();
    }
    engine->take_output();
    if (step == tls::Step::failed) break;
  }
  return 0;
}
