#include <algorithm>
#include <cstring>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/tls/certificates.h"
#include "lib/tls/context.h"
#include "lib/tls/engine_impl.h"
#include "lib/tls/strength.h"

namespace postrider::tls {

struct ServerContext::State {
  std::string service;
  ClientCertificates client_certificates = ClientCertificates::ignore;
  std::string alpn;  // as on the wire: each name with its length in front
  std::vector<TicketKey> tickets;
  std::vector<std::string> key_ids;
  SslContextOwner main;
  StringMap<SslContextOwner> names;  // ".example.org" for wildcards
};

namespace {

using State = ServerContext::State;

State& state_of(SSL* ssl) { return *static_cast<State*>(impl_of(ssl)->context.get()); }

// ---- what the client asks for

// The one host name in a server_name extension (RFC 6066 section 3), lower-case; "" when it is not of
// a shape that could name one of ours.
std::string parse_server_name(const unsigned char* data, std::size_t size) {
  if (size < 5 || data[2] != TLSEXT_NAMETYPE_host_name) return "";
  const std::size_t length = static_cast<std::size_t>(data[3]) << 8 | data[4];
  if (length == 0 || length > 255 || length != size - 5) return "";
  std::string name(data + 5, data + 5 + length);
  for (char& c : name) {
    if (!is_alnum(c) && c != '-' && c != '.' && c != '_') return "";
    c = to_lower(c);
  }
  if (name.ends_with('.')) name.pop_back();
  return name;
}

int on_client_hello(SSL* ssl, int*, void*) {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) == 1) {
    impl_of(ssl)->server_name = parse_server_name(data, size);
  }
  return SSL_CLIENT_HELLO_SUCCESS;
}

int on_server_name(SSL* ssl, int*, void*) {
  State& state = state_of(ssl);
  const std::string& name = impl_of(ssl)->server_name;
  if (name.empty()) return SSL_TLSEXT_ERR_NOACK;
  auto found = state.names.find(name);
  if (found == state.names.end()) {
    const std::size_t dot = name.find('.');
    if (dot != std::string::npos && dot > 0) found = state.names.find(std::string_view(name).substr(dot));
  }
  if (found != state.names.end() && !SSL_set_SSL_CTX(ssl, found->second.get()))
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  return SSL_TLSEXT_ERR_OK;
}

int on_alpn(SSL* ssl, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
            unsigned int offered_size, void*) {
  const State& state = state_of(ssl);
  if (state.alpn.empty()) return SSL_TLSEXT_ERR_NOACK;
  unsigned char* chosen = nullptr;
  const auto* ours = static_cast<const unsigned char*>(static_cast<const void*>(state.alpn.data()));
  if (SSL_select_next_proto(&chosen, out_size, ours, static_cast<unsigned int>(state.alpn.size()), offered,
                            offered_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301 section 3.2: no_application_protocol
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// ---- session tickets

const EVP_CIPHER* ticket_cipher() {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(library(), "AES-256-CBC", nullptr);
  return cipher;
}

int on_ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                  int encrypt) {
  const State& state = state_of(ssl);
  const auto bytes = [](const auto& array) {
    return static_cast<const unsigned char*>(static_cast<const void*>(array.data()));
  };
  const TicketKey* key = nullptr;
  if (encrypt) {
    if (state.tickets.empty() || RAND_bytes_ex(library(), iv, 16, 0) != 1) return 0;
    key = &state.tickets.front();
    std::memcpy(name, key->name.data(), key->name.size());
  } else {
    for (const TicketKey& candidate : state.tickets) {
      if (std::memcmp(name, candidate.name.data(), candidate.name.size()) == 0) key = &candidate;
    }
    if (!key) return 0;
  }
  std::array<char, 32> secret = key->mac;
  char sha256[] = "SHA256";
  std::array<OSSL_PARAM, 3> params{
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret.data(), secret.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0), OSSL_PARAM_construct_end()};
  const bool ready =
      EVP_MAC_CTX_set_params(mac, params.data()) == 1 &&
      EVP_CipherInit_ex(cipher, ticket_cipher(), nullptr, bytes(key->cipher), iv, encrypt) == 1;
  OPENSSL_cleanse(secret.data(), secret.size());
  if (!ready) return -1;
  return encrypt || key == &state.tickets.front() ? 1 : 2;  // 2: valid, make a new ticket
}

// What a ticket is good for: this service, this way of looking at client certificates, this name.
std::string ticket_binding(SSL* ssl) {
  const State& state = state_of(ssl);
  std::string binding = state.service;
  binding += '\0';
  binding += static_cast<char>('0' + static_cast<int>(state.client_certificates));
  binding += impl_of(ssl)->server_name;
  return binding;
}

int on_ticket_made(SSL* ssl, void*) {
  const std::string binding = ticket_binding(ssl);
  return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), binding.data(), binding.size());
}

SSL_TICKET_RETURN on_ticket_used(SSL* ssl, SSL_SESSION* session, const unsigned char*, std::size_t,
                                 SSL_TICKET_STATUS status, void*) {
  if (status == SSL_TICKET_EMPTY) return SSL_TICKET_RETURN_IGNORE_RENEW;
  if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  void* data = nullptr;
  std::size_t size = 0;
  const std::string binding = ticket_binding(ssl);
  if (SSL_SESSION_get0_ticket_appdata(session, &data, &size) != 1 ||
      std::string_view(static_cast<const char*>(data), size) != binding) {
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

// ---- making an SSL_CTX

int accept_any(int, X509_STORE_CTX*) { return 1; }

Result<> use_chain(SSL_CTX* context, const std::string& pem, std::vector<std::string>& key_ids) {
  if (pem.find("PRIVATE KEY-----") != std::string::npos) {
    return fail(Trouble::configuration,
                "a private key among the certificates of a process that must have none");
  }
  const auto described = describe_chain(pem);
  if (!described) return fail(described.error());
  auto chain = parse_certificates(pem);
  if (!chain) return fail(chain.error());
  const X509Owner leaf(sk_X509_shift(chain->get()));
  const PkeyOwner key(make_remote_key(X509_get0_pubkey(leaf.get())));
  if (!key || SSL_CTX_use_cert_and_key(context, leaf.get(), key.get(), chain->get(), 1) != 1) {
    return fail(Trouble::configuration, "certificate cannot be used: " + library_error());
  }
  if (std::find(key_ids.begin(), key_ids.end(), described->key_id) == key_ids.end()) {
    key_ids.push_back(described->key_id);
  }
  return {};
}

Result<> use_authorities(SSL_CTX* context, const ServerSettings& settings) {
  if (settings.client_certificates == ClientCertificates::ignore) return {};
  const bool required = settings.client_certificates == ClientCertificates::require;
  SSL_CTX_set_verify(
      context, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
      required ? nullptr : accept_any);
  SSL_CTX_set_verify_depth(context, settings.verify_depth);
  const auto authorities = parse_certificates(settings.ca_pem);
  if (!authorities) return fail(authorities.error().within("authorities for client certificates"));
  for (int i = 0; i < sk_X509_num(authorities->get()); ++i) {
    X509* authority = sk_X509_value(authorities->get(), i);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority);
    SSL_CTX_add_client_CA(context, authority);
  }
  return {};
}

Result<SslContextOwner> make_context(const ServerSettings& settings, const std::vector<std::string>& chains,
                                     std::vector<std::string>& key_ids) {
  SslContextOwner owner(SSL_CTX_new_ex(library(), nullptr, TLS_server_method()));
  SSL_CTX* context = owner.get();
  if (!context) return fail(Trouble::temporary, "TLS context: " + library_error());
  SSL_CTX_set_options(context,
                      SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_SINGLE_ECDH_USE |
                          SSL_OP_CIPHER_SERVER_PREFERENCE * (settings.strength.prefer_server_order ? 1 : 0));
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_timeout(context, 3600);
  if (auto done = apply_strength(context, settings.strength, true); !done) return fail(done.error());
  for (const std::string& chain : chains) {
    if (auto done = use_chain(context, chain, key_ids); !done) return fail(done.error());
  }
  if (auto done = use_authorities(context, settings); !done) return fail(done.error());

  const std::string scope =
      fmt::format("{} {}", settings.service, static_cast<int>(settings.client_certificates));
  std::array<unsigned char, 32> id{};
  EVP_Digest(scope.data(), scope.size(), id.data(), nullptr, EVP_sha256(), nullptr);
  SSL_CTX_set_session_id_context(context, id.data(), id.size());
  SSL_CTX_set_client_hello_cb(context, on_client_hello, nullptr);
  SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
  SSL_CTX_set_alpn_select_cb(context, on_alpn, nullptr);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket_key);
  SSL_CTX_set_session_ticket_cb(context, on_ticket_made, on_ticket_used, nullptr);
  return owner;
}

}  // namespace

Result<ServerContext> ServerContext::make(const ServerSettings& settings) {
  prepare_process();
  ticket_cipher();
  auto state = std::make_shared<State>();
  if (settings.service.empty() || settings.service.size() > 64) {
    return fail(Trouble::permanent, "a TLS context without the name of its service");
  }
  if (settings.chains.empty()) return fail(Trouble::configuration, "no TLS certificate");
  state->service = settings.service;
  state->client_certificates = settings.client_certificates;
  for (const std::string& name : settings.alpn) {
    if (name.empty() || name.size() > 255) return fail(Trouble::configuration, "malformed ALPN name");
    state->alpn += static_cast<char>(name.size());
    state->alpn += name;
  }
  auto main = make_context(settings, settings.chains, state->key_ids);
  if (!main) return fail(main.error());
  state->main = std::move(*main);
  for (const ServerName& name : settings.names) {
    if (name.chains.empty()) return fail(Trouble::configuration, "no TLS certificate for " + name.pattern);
    auto context = make_context(settings, name.chains, state->key_ids);
    if (!context) return fail(context.error().within(name.pattern));
    state->names[lower(name.pattern)] = std::move(*context);
  }
  return ServerContext(std::move(state));
}

Result<Engine> ServerContext::accept() const {
  auto impl = new_impl(state_->main.get(), true);
  if (!impl) return fail(impl.error());
  if (state_->tickets.empty()) {
    SSL_set_options((*impl)->ssl.get(), SSL_OP_NO_TICKET);
    SSL_set_num_tickets((*impl)->ssl.get(), 0);
  }
  (*impl)->context = state_;
  return Engine(std::move(*impl));
}

void ServerContext::set_ticket_keys(const std::vector<TicketKey>& keys) { state_->tickets = keys; }
std::vector<std::string> ServerContext::key_ids() const { return state_->key_ids; }

ServerContext::ServerContext(std::shared_ptr<State> state) : state_(std::move(state)) {}
ServerContext::ServerContext(const ServerContext&) = default;
ServerContext::ServerContext(ServerContext&&) noexcept = default;
ServerContext& ServerContext::operator=(const ServerContext&) = default;
ServerContext& ServerContext::operator=(ServerContext&&) noexcept = default;
ServerContext::~ServerContext() = default;

}  // namespace postrider::tls
