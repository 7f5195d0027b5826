#include <algorithm>

#include <openssl/err.h>

#include "lib/base/text.h"
#include "lib/os/files.h"
#include "lib/tls/context.h"
#include "lib/tls/engine_impl.h"
#include "lib/tls/strength.h"

namespace postrider::tls {

struct ClientContext::State {
  SslContextOwner context;
};

namespace {

// What may be sent as SNI: RFC 6066 wants a DNS name with a dot or without, never an address.
bool host_name(std::string_view name) {
  if (name.empty() || name.size() > 253 || name.front() == '.' || name.find(':') != std::string_view::npos)
    return false;
  bool letters = false;
  for (const char c : name) {
    if (!is_alnum(c) && c != '-' && c != '.' && c != '_') return false;
    letters = letters || is_alpha(c);
  }
  return letters;
}

// "1a2b3c4d.0"
bool is_hashed_name(std::string_view name) {
  if (name.size() < 10 || name[8] != '.') return false;
  const auto hex = [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); };
  return std::all_of(name.begin(), name.begin() + 8, hex) &&
         std::all_of(name.begin() + 9, name.end(), is_digit);
}

// All at once: in a sandbox nothing could be looked up later.
Result<> add_directory(SSL_CTX* context, const std::string& directory) {
  std::vector<std::string> names;
  const auto listed = os::system_files().list(directory, [&names](std::string_view name) {
    if (is_hashed_name(name)) names.emplace_back(name);
    return names.size() < 10'000;
  });
  if (!listed) return fail(listed.error());
  for (const std::string& name : names) {
    const auto text = os::read_file(os::system_files(), directory + "/" + name, 1 << 20);
    if (!text) continue;  // a link to a certificate that was removed
    const auto found = parse_certificates(*text);
    if (!found) continue;
    for (int i = 0; i < sk_X509_num(found->get()); ++i) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context), sk_X509_value(found->get(), i));
    }
  }
  return {};
}

}  // namespace

Result<ClientContext> ClientContext::make(const ClientSettings& settings) {
  prepare_process();
  auto state = std::make_shared<State>();
  state->context.reset(SSL_CTX_new_ex(library(), nullptr, TLS_client_method()));
  SSL_CTX* context = state->context.get();
  if (!context) return fail(Trouble::temporary, "TLS context: " + library_error());
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (auto done = apply_strength(context, settings.strength, false); !done) return fail(done.error());
  // The result is recorded and the handshake goes on: whether it is good enough is the caller's policy.
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_verify_depth(context, settings.verify_depth);
  const auto authorities = parse_certificates(settings.ca_pem);
  if (!authorities) return fail(authorities.error().within("certificate authorities"));
  for (int i = 0; i < sk_X509_num(authorities->get()); ++i) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), sk_X509_value(authorities->get(), i));
  }
  if (!settings.ca_directory.empty()) {
    if (auto done = add_directory(context, settings.ca_directory); !done) return fail(done.error());
  }
  if (settings.system_ca) SSL_CTX_set_default_verify_file(context);
  ERR_clear_error();
  return ClientContext(std::move(state));
}

Result<Engine> ClientContext::connect(const ClientTarget& target) const {
  auto made = new_impl(state_->context.get(), false);
  if (!made) return fail(made.error());
  Engine::Impl& impl = **made;
  SSL* ssl = impl.ssl.get();
  impl.context = state_;
  impl.match_names = target.match_names;
  if (host_name(target.server_name)) {
    impl.server_name = lower(target.server_name);
    SSL_set_tlsext_host_name(ssl, impl.server_name.c_str());
  }
  std::string alpn;
  for (const std::string& name : target.alpn) {
    if (name.empty() || name.size() > 255) return fail(Trouble::permanent, "malformed ALPN name");
    alpn += static_cast<char>(name.size());
    alpn += name;
  }
  if (!alpn.empty()) {
    const auto* bytes = static_cast<const unsigned char*>(static_cast<const void*>(alpn.data()));
    SSL_set_alpn_protos(ssl, bytes, static_cast<unsigned int>(alpn.size()));
  }
  if (!target.session.empty()) {
    const auto* bytes = static_cast<const unsigned char*>(static_cast<const void*>(target.session.data()));
    const SessionOwner session(d2i_SSL_SESSION(nullptr, &bytes, static_cast<long>(target.session.size())));
    if (session) SSL_set_session(ssl, session.get());
    ERR_clear_error();  // a session that cannot be read is one that was never there
  }
  return Engine(std::move(*made));
}

ClientContext::ClientContext(std::shared_ptr<State> state) : state_(std::move(state)) {}
ClientContext::ClientContext(const ClientContext&) = default;
ClientContext::ClientContext(ClientContext&&) noexcept = default;
ClientContext& ClientContext::operator=(const ClientContext&) = default;
ClientContext& ClientContext::operator=(ClientContext&&) noexcept = default;
ClientContext::~ClientContext() = default;

}  // namespace postrider::tls
