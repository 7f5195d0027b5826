// What TLS connections of one service have in common: certificates, protocols, ciphers, ticket keys.
//
// Made when a daemon starts (and again on reload: Engines keep the context they began with). A server
// context never sees a private key: it is given certificate chains, and its Engines ask for signatures.
// Contexts are cheap to copy handles; use each only on the thread of its Engines.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/tls/engine.h"

namespace postrider::tls {

// Which protocol versions and ciphers, in main.cf's syntax. Mistakes are Trouble::configuration.
struct Strength {
  // ">=TLSv1.2", "<=TLSv1.2", names to allow, "!name" to exclude; SSLv2 to TLSv1.3. A server never
  // speaks less than TLSv1.2 (RFC 8996), whatever is listed; a list that leaves nothing is a mistake.
  std::string protocols = ">=TLSv1.2";
  std::string grade = "medium";      // "high", "medium"; "low" and "export" mean medium; "null" is refused
  std::string exclude_ciphers;       // OpenSSL cipher names or classes, separated by blanks, commas or colons
  std::string curves = "auto";       // tls_eecdh_auto_curves: "auto" or OpenSSL group names
  bool prefer_server_order = false;  // tls_preempt_cipherlist
};

// Whether a server could use it; says what is wrong without a certificate at hand.
Result<> check_strength(const Strength& strength);

// One certificate chain in PEM, leaf first; other PEM blocks are ignored, a private key among them is
// refused. Chains with different key types may serve the same name.
struct ServerName {
  std::string pattern;              // "mail.example.org" or ".example.org" for any one label in front
  std::vector<std::string> chains;  // as ServerSettings::chains
};

enum class ClientCertificates { ignore, ask, require };

struct ServerSettings {
  std::string service;              // binds session tickets: "smtpd", "pop3d"; never empty
  std::vector<std::string> chains;  // at least one
  std::vector<ServerName> names;    // other chains by SNI; no match: the above
  std::vector<std::string> alpn;    // {"imap"}; a client that offers only others is refused; empty: ignored
  Strength strength;
  ClientCertificates client_certificates = ClientCertificates::ignore;
  std::string ca_pem;  // authorities for client certificates
  int verify_depth = 9;
};

// Encrypts session tickets. Comes from the keys process, which derives one set per service.
struct TicketKey {
  std::array<char, 16> name{};  // public, found in each ticket
  std::array<char, 32> cipher{};
  std::array<char, 32> mac{};
};

class ServerContext {
 public:
  static Result<ServerContext> make(const ServerSettings& settings);
  ServerContext(const ServerContext&);
  ServerContext(ServerContext&&) noexcept;
  ServerContext& operator=(const ServerContext&);
  ServerContext& operator=(ServerContext&&) noexcept;
  ~ServerContext();

  // The first key makes new tickets, all of them are accepted. None: no resumption (the state after
  // make()). Takes effect for handshakes that begin later, in copies of this handle too.
  void set_ticket_keys(const std::vector<TicketKey>& keys);

  // A new connection, before its first byte. Fails only when memory is short (temporary).
  Result<Engine> accept() const;

  // The key ids that sign requests of this context may name.
  std::vector<std::string> key_ids() const;

  struct State;

 private:
  explicit ServerContext(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;  // shared with the Engines, which outlive a reload
};

struct ClientSettings {
  Strength strength;         // opportunistic use sets protocols to ">=TLSv1"
  std::string ca_pem;        // trusted authorities; empty: nothing is trusted, everything still encrypted
  std::string ca_directory;  // more of them, in files named by OpenSSL's hash; read now; "": none
  bool system_ca = false;    // adds the system's authorities, read from /etc/ssl now
  int verify_depth = 9;
};

struct ClientTarget {
  std::string server_name;               // sent as SNI when it is a host name; "" sends none
  std::vector<std::string> match_names;  // any of these in the certificate makes Trust::verified
  std::vector<std::string> alpn;         // offered, in order of preference; empty: none
  std::string session;                   // from Engine::session() of an earlier connection, or ""
};

class ClientContext {
 public:
  // Trust is reported, never enforced: the handshake succeeds with any certificate, and the caller
  // decides by Info::trust before it sends anything.
  static Result<ClientContext> make(const ClientSettings& settings);
  ClientContext(const ClientContext&);
  ClientContext(ClientContext&&) noexcept;
  ClientContext& operator=(const ClientContext&);
  ClientContext& operator=(ClientContext&&) noexcept;
  ~ClientContext();

  Result<Engine> connect(const ClientTarget& target) const;

  struct State;

 private:
  explicit ClientContext(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;  // shared with the Engines
};

// Gives back memory that a burst of handshakes left behind. Call now and then when idle.
void trim_memory();

}  // namespace postrider::tls
