// bench/limits DIRECTORY: what the machine itself can do, one JSON object: journal appends per second with
// one fdatasync for each batch, files made per second with an fsync each, TLS handshakes per second and their
// cost.
#include <fcntl.h>
#include <fmt/core.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/loop.h"

namespace {

using postrider::bench::now;

constexpr double seconds_each = 1.0;
constexpr std::size_t record_bytes = 4096;

[[noreturn]] void die(std::string_view what) {
  fmt::print(stderr, "limits: {}: {}\n", what, std::strerror(errno));
  std::exit(1);
}

// Records per second appended to one preallocated file.
double appends(const std::string& folder, std::size_t batch) {
  const std::string path = folder + "/journal";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  constexpr off_t size = 64 << 20;
  if (fd < 0 || ::posix_fallocate(fd, 0, size) != 0) die(path);
  const std::string bytes(batch * record_bytes, 'x');
  off_t at = 0;
  std::size_t records = 0;
  const double begun = now();
  while (now() - begun < seconds_each) {
    if (at + static_cast<off_t>(bytes.size()) > size) at = 0;
    if (::pwrite(fd, bytes.data(), bytes.size(), at) < 0 || ::fdatasync(fd) != 0) die(path);
    at += static_cast<off_t>(bytes.size());
    records += batch;
  }
  const double rate = static_cast<double>(records) / (now() - begun);
  ::close(fd);
  ::unlink(path.c_str());
  return rate;
}

// Files per second, each made, written and synced, by several threads.
double files(const std::string& folder, unsigned threads) {
  std::atomic<std::size_t> made = 0;
  const std::string bytes(record_bytes, 'x');
  const double begun = now();
  {
    std::vector<std::jthread> crew;
    for (unsigned t = 0; t < threads; ++t)
      crew.emplace_back([&, t] {
        for (std::size_t n = 0; now() - begun < seconds_each; ++n, ++made) {
          const std::string path = fmt::format("{}/file.{}.{}.{}", folder, threads, t, n);
          const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
          if (fd < 0 || ::write(fd, bytes.data(), bytes.size()) < 0 || ::fsync(fd) != 0) die(path);
          ::close(fd);
        }
      });
  }
  return static_cast<double>(made) / (now() - begun);
}

template <auto free_function>
struct Free {
  void operator()(auto* object) const { free_function(object); }
};
using Context = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, Free<SSL_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;

Context server_context(const Key& key) {
  Certificate certificate(X509_new());
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 86400);
  X509_set_pubkey(certificate.get(), key.get());
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  Context context(SSL_CTX_new(TLS_server_method()));
  if (SSL_CTX_use_certificate(context.get(), certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1)
    die("certificate");
  return context;
}

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

// Seconds the server spends on one.
double handshake(const Key& key) {
  const Context server = server_context(key), client(SSL_CTX_new(TLS_client_method()));
  double spent = 0;
  std::size_t count = 0;
  for (const double begun = now(); now() - begun < seconds_each; ++count)
    spent += shake(server.get(), client.get());
  return spent / static_cast<double>(count);
}

}  // namespace

int main(int count, char** words) {
  if (count != 2) {
    fmt::print(stderr, "usage: limits directory\n");
    return 2;
  }
  fmt::print("{{");
  for (const std::size_t batch : {1, 8, 20, 50, 200})
    fmt::print(R"("append {} a batch": {:.0f}, )", batch, appends(words[1], batch));
  for (const unsigned threads : {1, 8, 16})
    fmt::print(R"("files {} threads": {:.0f}, )", threads, files(words[1], threads));
  fmt::print(R"("handshake RSA-2048 ms": {:.3f}, "handshake P-256 ms": {:.3f}}})"
             "\n",
             1000 * handshake(Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048}))),
             1000 * handshake(Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"))));
  return 0;
}
