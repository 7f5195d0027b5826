// A certificate authority in memory, for tests: keys, chains and signatures made on the spot.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lib/tls/certificates.h"
#include "lib/tls/context.h"

namespace postrider::tls::test {

enum class KeyKind { rsa2048, rsa3072, rsa4096, p256, p384, ed25519 };

struct Made {
  std::string certificate_pem;
  std::string key_pem;
};

class Authority {
 public:
  explicit Authority(const std::string& common_name, KeyKind kind = KeyKind::p256);
  ~Authority();
  const std::string& pem() const { return pem_; }
  const std::string& key_pem() const { return key_pem_; }
  // A leaf for the names (subjectAltName, the first is the common name).
  Made issue(const std::vector<std::string>& names, KeyKind kind) const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
  std::string pem_;
  std::string key_pem_;
};

// One leaf per kind for mail.example.org, made once per test run: RSA keys are slow to find.
const Authority& authority();
const Made& leaf(KeyKind kind);

// Everything two Engines are for, joined back to back.
struct Pair {
  Engine server;
  Engine client;
  std::vector<PrivateKey> keys;  // what want_key is answered from
  std::size_t step_bytes = 0;    // 0: whole flights; else so many cipher bytes per feed
  int signatures = 0;
  bool refuse_key = false;
  std::string to_client, to_server;  // in flight

  // Runs both handshakes until both are done or one failed; true when both are done.
  bool handshake();
  // Moves what is in flight; false when nothing was.
  bool pump();
  Step server_step = Step::want_input;
  Step client_step = Step::want_input;
};

// `text` sent by one and read completely by the other; what arrived.
std::string carry(Pair& pair, Engine& from, Engine& to, const std::string& text);

ServerSettings server_settings(KeyKind kind, const std::string& service = "smtpd");
std::vector<PrivateKey> keys_of(std::initializer_list<KeyKind> kinds);
Pair make_pair(const ServerContext& server, const ClientContext& client, const ClientTarget& target,
               std::initializer_list<KeyKind> kinds);
TicketKey ticket_key(char fill);

}  // namespace postrider::tls::test
