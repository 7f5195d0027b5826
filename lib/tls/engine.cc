#include "lib/tls/engine.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <openssl/async.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include <fmt/core.h>

#include "lib/tls/engine_impl.h"

namespace postrider::tls {

namespace {

// Jobs of this thread that wait for a signature.
thread_local std::size_t paused_jobs = 0;

// ---- the BIO between OpenSSL and the two strings

Engine::Impl* impl_of(BIO* bio) { return static_cast<Engine::Impl*>(BIO_get_data(bio)); }

int bio_read(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  Engine::Impl* impl = impl_of(bio);
  const std::size_t waiting = impl->input.size() - impl->input_used;
  if (waiting == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const std::size_t count = std::min(waiting, static_cast<std::size_t>(size));
  std::memcpy(into, impl->input.data() + impl->input_used, count);
  impl->input_used += count;
  if (impl->input_used == impl->input.size()) {
    impl->input = std::string();  // an idle connection holds no buffer
    impl->input_used = 0;
  }
  return static_cast<int>(count);
}

int bio_write(BIO* bio, const char* from, int size) {
  BIO_clear_retry_flags(bio);
  impl_of(bio)->output.append(from, static_cast<std::size_t>(size));
  return size;
}

long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* bio_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "postrider");
    if (!made) std::abort();  // out of memory while starting
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

}  // namespace

Engine::Impl* impl_of(const SSL* ssl) { return static_cast<Engine::Impl*>(SSL_get_app_data(ssl)); }

Result<std::unique_ptr<Engine::Impl>> new_impl(SSL_CTX* context, bool server) {
  auto impl = std::make_unique<Engine::Impl>();
  impl->server = server;
  impl->ssl.reset(SSL_new(context));
  BIO* bio = BIO_new(bio_method());
  if (!impl->ssl || !bio) {
    BIO_free(bio);
    ERR_clear_error();
    return fail(Trouble::temporary, "out of memory");
  }
  BIO_set_data(bio, impl.get());
  BIO_set_init(bio, 1);
  SSL_set_bio(impl->ssl.get(), bio, bio);
  SSL_set_app_data(impl->ssl.get(), static_cast<void*>(impl.get()));
  if (server) {
    SSL_set_accept_state(impl->ssl.get());
    SSL_set_mode(impl->ssl.get(), SSL_MODE_ASYNC);
    impl->async = true;
  } else {
    SSL_set_connect_state(impl->ssl.get());
  }
  return impl;
}

void prepare_process() {
  library();
  bio_method();
  std::array<unsigned char, 16> some{};
  RAND_bytes_ex(library(), some.data(), some.size(), 0);
}

void trim_memory() {
  // Frees the pool of fibres that paused handshakes used, and with it what a paused one would return to.
  if (paused_jobs == 0 && !ASYNC_get_current_job()) ASYNC_cleanup_thread();
}

// ---- the handshake that waits for a signature

Result<std::string> Engine::Impl::sign(SignRequest wanted) {
  if (!async || !ASYNC_get_current_job()) {
    return fail(Trouble::permanent, "a signature is wanted where none can be waited for");
  }
  request = std::make_unique<SignRequest>(std::move(wanted));
  asking_key = true;
  ++paused_jobs;
  while (!answer) ASYNC_pause_job();
  --paused_jobs;
  asking_key = false;
  request.reset();
  Result<std::string> given = std::move(*answer);
  answer.reset();
  if (!given) error = given.error();
  return given;
}

Engine::Impl::~Impl() {
  if (!asking_key) return;
  // A paused job owns a stack with OpenSSL's frames on it: it has to return before anything is freed.
  answer = fail(Trouble::temporary, "the connection was given up");
  const RemoteSigning::Scope scope(*this);
  SSL_do_handshake(ssl.get());
  ERR_clear_error();
}

Step Engine::Impl::broken(Error why) {
  if (!error) error = std::move(why);
  ERR_clear_error();
  return Step::failed;
}

Step Engine::Impl::outcome(int result, std::string_view operation) {
  if (result > 0) return Step::done;
  switch (SSL_get_error(ssl.get(), result)) {
    case SSL_ERROR_WANT_READ: return Step::want_input;
    case SSL_ERROR_WANT_ASYNC: return asking_key ? Step::want_key : Step::want_input;
    case SSL_ERROR_WANT_ASYNC_JOB: return broken(Error(Trouble::temporary, "no memory for a TLS handshake"));
    case SSL_ERROR_ZERO_RETURN: closed = true; return Step::closed;
    default: break;
  }
  return broken(
      Error(Trouble::peer, fmt::format("{}: {}", operation, library_error("connection is broken"))));
}

// ---- Engine

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::Engine(Engine&& other) noexcept = default;
Engine& Engine::operator=(Engine&& other) noexcept = default;
Engine::~Engine() = default;

void Engine::feed(std::string_view cipher) {
  Impl& it = *impl_;
  if (it.input_used > 0) {
    it.input.erase(0, it.input_used);
    it.input_used = 0;
  }
  it.input.append(cipher);
}

bool Engine::has_output() const { return !impl_->output.empty(); }
std::string Engine::take_output() { return std::exchange(impl_->output, std::string()); }
bool Engine::established() const { return impl_->established; }

Step Engine::handshake() {
  Impl& it = *impl_;
  if (it.error) return Step::failed;
  if (it.established) return Step::done;
  if (it.asking_key && !it.answer) return Step::want_key;
  ERR_clear_error();
  const RemoteSigning::Scope scope(it);
  const int result = SSL_do_handshake(it.ssl.get());
  // The signature's own failure is told rather than what OpenSSL makes of it.
  if (it.error) return it.broken(*it.error);
  const Step step = it.outcome(result, it.server ? "SSL_accept" : "SSL_connect");
  if (step == Step::closed) return it.broken(Error(Trouble::peer, "closed during the TLS handshake"));
  if (step == Step::done) {
    it.established = true;
    it.async = false;
    SSL_clear_mode(it.ssl.get(), SSL_MODE_ASYNC);
  }
  return step;
}

Step Engine::read_plain(std::span<char> into, std::size_t& size) {
  Impl& it = *impl_;
  size = 0;
  if (it.error) return Step::failed;
  if (it.closed) return Step::closed;
  if (!it.established) return it.broken(Error(Trouble::permanent, "read before the TLS handshake"));
  ERR_clear_error();
  return it.outcome(SSL_read_ex(it.ssl.get(), into.data(), into.size(), &size), "SSL_read");
}

Step Engine::write_plain(std::string_view bytes) {
  Impl& it = *impl_;
  if (it.error) return Step::failed;
  if (!it.established) return it.broken(Error(Trouble::permanent, "write before the TLS handshake"));
  if (it.shutdown_sent) return it.broken(Error(Trouble::permanent, "write after the TLS shutdown"));
  if (bytes.empty()) return Step::done;
  ERR_clear_error();
  std::size_t written = 0;
  const Step step = it.outcome(SSL_write_ex(it.ssl.get(), bytes.data(), bytes.size(), &written), "SSL_write");
  if (step == Step::done && written == bytes.size()) return Step::done;
  return it.broken(Error(Trouble::peer, "SSL_write: connection is broken"));
}

Step Engine::shutdown() {
  Impl& it = *impl_;
  if (it.error) return Step::failed;
  if (it.shutdown_sent || !it.established) return Step::done;
  it.shutdown_sent = true;
  ERR_clear_error();
  if (SSL_shutdown(it.ssl.get()) < 0)
    return it.broken(Error(Trouble::peer, "SSL_shutdown: " + library_error()));
  return Step::done;
}

const SignRequest& Engine::sign_request() const { return *impl_->request; }
void Engine::answer_key(Result<std::string> signature) {
  if (impl_->asking_key) impl_->answer = std::move(signature);
}

const Error& Engine::error() const {
  static const Error none(Trouble::temporary, "no error");
  return impl_->error ? *impl_->error : none;
}

const std::string& Engine::server_name() const { return impl_->server_name; }

std::string Engine::channel_binding() const {
  SSL* ssl = impl_->ssl.get();
  if (!impl_->established) return "";
  std::array<unsigned char, 64> bytes{};
  std::size_t size = 0;
  if (SSL_version(ssl) >= TLS1_3_VERSION) {
    // RFC 9266 section 2
    constexpr std::string_view label = "EXPORTER-Channel-Binding";
    size = 32;
    if (SSL_export_keying_material(ssl, bytes.data(), size, label.data(), label.size(), nullptr, 0, 1) != 1)
      return "";
  } else {
    // RFC 5929 section 3.1: the first Finished message of the handshake. Without the extended master
    // secret it can be made equal on two connections.
    if (SSL_get_extms_support(ssl) != 1) return "";
    const bool client_first = SSL_session_reused(ssl) == 0;
    size = client_first == impl_->server ? SSL_get_peer_finished(ssl, bytes.data(), bytes.size())
                                         : SSL_get_finished(ssl, bytes.data(), bytes.size());
  }
  return std::string(bytes.begin(),
                     bytes.begin() + static_cast<std::ptrdiff_t>(std::min(size, bytes.size())));
}

std::string Engine::session() const {
  if (impl_->server || !impl_->established) return "";
  SSL_SESSION* session = SSL_get_session(impl_->ssl.get());
  if (!session || SSL_SESSION_is_resumable(session) != 1) return "";
  unsigned char* der = nullptr;
  const int size = i2d_SSL_SESSION(session, &der);
  if (size <= 0) return "";
  std::string bytes;
  if (size <= 16 * 1024) bytes.assign(der, der + size);
  OPENSSL_clear_free(der, static_cast<std::size_t>(size));
  return bytes;
}

}  // namespace postrider::tls
