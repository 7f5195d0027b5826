#include "bench/handshakes.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "bench/loop.h"
#include "lib/tls/certificates.h"
#include "lib/tls/context.h"

namespace postrider::bench {

namespace {

[[noreturn]] void die(std::string_view what) {
  fmt::print(stderr, "limits: {}\n", what);
  std::exit(1);
}

template <auto free_function>
struct Free {
  void operator()(auto* object) const { free_function(object); }
};
using Context = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, Free<SSL_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Memory = std::unique_ptr<BIO, Free<BIO_free>>;

Key make_key(KeyType type) {
  return Key(type == KeyType::rsa_2048 ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048})
                                       : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
}

Certificate make_certificate(const Key& key) {
  Certificate certificate(X509_new());
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 86400);
  X509_set_pubkey(certificate.get(), key.get());
  if (X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0) die("certificate");
  return certificate;
}

// ---- OpenSSL alone

// One TLS 1.3 handshake in memory; returns the seconds of the server's part.
double shake(SSL_CTX* server_side, SSL_CTX* client_side) {
  Session server(SSL_new(server_side)), client(SSL_new(client_side));
  BIO* ours = nullptr;
  BIO* theirs = nullptr;
  BIO_new_bio_pair(&ours, 0, &theirs, 0);
  SSL_set_bio(server.get(), ours, ours);
  SSL_set_bio(client.get(), theirs, theirs);
  SSL_set_accept_state(server.get());
  SSL_set_connect_state(client.get());
  double seconds = 0;
  for (int turn = 0; turn < 20; ++turn) {
    SSL_do_handshake(client.get());
    const double begun = now();
    SSL_do_handshake(server.get());
    seconds += now() - begun;
    if (SSL_is_init_finished(client.get()) && SSL_is_init_finished(server.get())) return seconds;
  }
  die("handshake");
}

double openssl_alone(const Key& key, const Certificate& certificate, double seconds) {
  const Context server(SSL_CTX_new(TLS_server_method())), client(SSL_CTX_new(TLS_client_method()));
  if (SSL_CTX_use_certificate(server.get(), certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(server.get(), key.get()) != 1)
    die("certificate");
  double spent = 0;
  std::size_t count = 0;
  for (const double begun = now(); now() - begun < seconds; ++count)
    spent += shake(server.get(), client.get());
  return spent / static_cast<double>(count);
}

// ---- our Engine

double cpu_of_thread() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double cpu_of_ended_children() {
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

template <class Write>
std::string pem_of(Write write) {
  const Memory memory(BIO_new(BIO_s_mem()));
  if (write(memory.get()) != 1) die("PEM");
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

// Answers what several engines ask, in order.
using Sign = std::function<void(std::span<tls::Engine* const>)>;

// As many handshakes go on at a time as S7 has clients, so that a busy server's questions travel together.
constexpr std::size_t lanes_at_once = 20;

struct Lane {
  Session client;
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());
  std::optional<tls::Engine> engine;

  explicit Lane(SSL_CTX* client_side) : client(SSL_new(client_side)) {
    SSL_set_bio(client.get(), in, out);
    SSL_set_connect_state(client.get());
  }
  bool done() const { return engine->established() && SSL_is_init_finished(client.get()) == 1; }
  std::string from_client() {
    SSL_do_handshake(client.get());
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(out, &bytes);
    std::string flight(bytes, static_cast<std::size_t>(size));
    (void)BIO_reset(out);
    return flight;
  }
};

// CPU seconds of the server's part of `lanes_at_once` handshakes, without what `sign` spends elsewhere.
double shake_with_engines(const tls::ServerContext& server, SSL_CTX* client_side, const Sign& sign) {
  std::vector<Lane> lanes;
  lanes.reserve(lanes_at_once);
  for (std::size_t i = 0; i < lanes_at_once; ++i) lanes.emplace_back(client_side);
  double spent = 0;
  for (int turn = 0; turn < 20; ++turn) {
    std::vector<std::string> flights;
    for (Lane& lane : lanes) flights.push_back(lane.from_client());

    const double begun = cpu_of_thread();
    std::vector<tls::Engine*> asking;
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      Lane& lane = lanes[i];
      if (!lane.engine) lane.engine.emplace(std::move(*server.accept()));
      lane.engine->feed(flights[i]);
      if (lane.engine->handshake() == tls::Step::want_key) asking.push_back(&*lane.engine);
    }
    sign(asking);
    for (tls::Engine* engine : asking)
      if (engine->handshake() == tls::Step::failed) die(engine->error().text());
    for (std::size_t i = 0; i < lanes.size(); ++i) flights[i] = lanes[i].engine->take_output();
    spent += cpu_of_thread() - begun;

    for (std::size_t i = 0; i < lanes.size(); ++i)
      BIO_write(lanes[i].in, flights[i].data(), static_cast<int>(flights[i].size()));
    if (std::ranges::all_of(lanes, &Lane::done)) return spent;
  }
  die("handshake");
}

double with_engines(const tls::ServerContext& server, const Sign& sign, double seconds, std::size_t& count) {
  const Context client(SSL_CTX_new(TLS_client_method()));
  double spent = 0;
  count = 0;
  for (const double begun = now(); now() - begun < seconds; count += lanes_at_once)
    spent += shake_with_engines(server, client.get(), sign);
  return spent / static_cast<double>(count);
}

// A question to the key's process: one packet, answered by one.
struct Question {
  tls::SignatureKind kind;
  tls::SignatureHash hash;
  std::uint32_t size;
  std::array<char, tls::max_digest_size> digest;
};

[[noreturn]] void answer_questions(int socket, const tls::PrivateKey& key) {
  for (Question question{}; ::read(socket, &question, sizeof question) == sizeof question;) {
    const auto signature = key.sign(
        {key.key_id(), question.kind, question.hash, std::string(question.digest.data(), question.size)});
    if (!signature || ::write(socket, signature->data(), signature->size()) < 0) ::_exit(1);
  }
  ::_exit(0);
}

void ask(int socket, std::span<tls::Engine* const> engines) {
  for (const tls::Engine* engine : engines) {
    const tls::SignRequest& request = engine->sign_request();
    Question question{request.kind, request.hash, static_cast<std::uint32_t>(request.digest.size()), {}};
    request.digest.copy(question.digest.data(), question.digest.size());
    if (::write(socket, &question, sizeof question) < 0) die("socket");
  }
  for (tls::Engine* engine : engines) {
    std::string signature(tls::max_signature_size, '\0');
    const ssize_t size = ::read(socket, signature.data(), signature.size());
    if (size <= 0) die("the key's process ended");
    signature.resize(static_cast<std::size_t>(size));
    engine->answer_key(std::move(signature));
  }
}

double key_outside(const tls::ServerContext& server, const tls::PrivateKey& key, double seconds) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) die("socket pair");
  const double before = cpu_of_ended_children();
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    answer_questions(ends[1], key);
  }
  ::close(ends[1]);
  std::size_t count = 0;
  const double ours = with_engines(
      server, [&](std::span<tls::Engine* const> engines) { ask(ends[0], engines); }, seconds, count);
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return ours + (cpu_of_ended_children() - before) / static_cast<double>(count);
}

}  // namespace

HandshakeCosts measure_handshakes(KeyType type, double seconds_each) {
  const Key key = make_key(type);
  const Certificate certificate = make_certificate(key);
  const auto ours = tls::PrivateKey::from_pem(pem_of([&](BIO* into) {
    return PEM_write_bio_PrivateKey(into, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  }));
  if (!ours) die(ours.error().text());
  tls::ServerSettings settings;
  settings.service = "limits";
  settings.chains = {pem_of([&](BIO* into) { return PEM_write_bio_X509(into, certificate.get()); })};
  const auto server = tls::ServerContext::make(settings);
  if (!server) die(server.error().text());

  const auto inside = [&](std::span<tls::Engine* const> engines) {
    for (tls::Engine* engine : engines) engine->answer_key(ours->sign(engine->sign_request()));
  };
  // Turn by turn: the machine's speed changes while they run.
  constexpr int turns = 3;
  const double seconds = seconds_each / turns;
  std::size_t count = 0;
  HandshakeCosts sum;
  for (int turn = 0; turn < turns; ++turn) {
    sum.openssl += openssl_alone(key, certificate, seconds);
    sum.key_inside += with_engines(*server, inside, seconds, count);
    sum.key_outside += key_outside(*server, *ours, seconds);
  }
  const auto milliseconds = [](double total) { return 1000 * total / turns; };
  return {milliseconds(sum.openssl), milliseconds(sum.key_inside), milliseconds(sum.key_outside)};
}

}  // namespace postrider::bench
