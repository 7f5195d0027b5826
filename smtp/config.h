// What an administrator can tell smtp and lmtp, under Postfix's names: smtp_helo_timeout for the one,
// lmtp_helo_timeout for the other.
#pragma once

#include <string>

#include "lib/config/common.h"
#include "lib/config/settings.h"
#include "lib/tls/context.h"

namespace postrider::smtp_client {

enum class TlsLevel {
  none,
  may,      // opportunistic: any certificate, and in clear where TLS fails
  dane,     // as may: what is left of it without TLSA records (RFC 7672 2.2)
  encrypt,  // never in clear, any certificate
  verify,   // a certificate of a trusted authority for the server
};
enum class AddressPreference { any, ipv4, ipv6 };
enum class DnsSupport { disabled, enabled, dnssec };

struct ClientConfig : config::Section {
  explicit ClientConfig(std::string prefix_of_names) : prefix(std::move(prefix_of_names)) {}

  const std::string prefix;
  bool is_lmtp() const { return prefix == "lmtp"; }

  // ---- time limits
  config::Duration connect_timeout{*this,
                                   named("connect_timeout").c_str(),
                                   is_lmtp() ? "0s" : "30s",
                                   {},
                                   "How long a connection to one address may take; 0: as long as the system "
                                   "tries."};
  config::Duration helo_timeout{*this,
                                named("helo_timeout").c_str(),
                                "300s",
                                {.min = 1, .legacy = is_lmtp() ? "lmtp_lhlo_timeout" : ""},
                                "How long to wait for the greeting and for the answer to EHLO or LHLO."};
  config::Duration starttls_timeout{*this,
                                    named("starttls_timeout").c_str(),
                                    "300s",
                                    {.min = 1},
                                    "How long STARTTLS and the handshake may take."};
  config::Duration xforward_timeout{*this,
                                    named("xforward_timeout").c_str(),
                                    "300s",
                                    {.min = 1},
                                    "How long to wait for the answer to XFORWARD."};
  config::Duration mail_timeout{
      *this, named("mail_timeout").c_str(), "300s", {.min = 1}, "How long to wait for the answer to MAIL."};
  config::Duration rcpt_timeout{
      *this, named("rcpt_timeout").c_str(), "300s", {.min = 1}, "How long to wait for the answer to RCPT."};
  config::Duration data_init_timeout{*this,
                                     named("data_init_timeout").c_str(),
                                     "120s",
                                     {.min = 1},
                                     "How long to wait for the answer to DATA."};
  config::Duration data_xfer_timeout{*this,
                                     named("data_xfer_timeout").c_str(),
                                     "180s",
                                     {.min = 1},
                                     "How long the server may take no more of the message."};
  config::Duration data_done_timeout{*this,
                                     named("data_done_timeout").c_str(),
                                     "600s",
                                     {.min = 1},
                                     "How long to wait for the answer to the end of the message."};
  config::Duration rset_timeout{
      *this, named("rset_timeout").c_str(), "20s", {.min = 1}, "How long to wait for the answer to RSET."};
  config::Duration quit_timeout{*this,
                                named("quit_timeout").c_str(),
                                "300s",
                                {.min = 1},
                                "How long to wait for the answer to QUIT, where it is waited for."};

  // ---- where mail goes
  config::Text tcp_port{*this,
                        named("tcp_port").c_str(),
                        is_lmtp() ? "24" : "smtp",
                        {.min_length = 1},
                        "The port, by number or name, where a next hop names none."};
  config::Integer mx_address_limit{*this,
                                   named("mx_address_limit").c_str(),
                                   "5",
                                   {},
                                   "How many addresses of a destination are tried; 0: all."};
  config::Integer mx_session_limit{
      *this,
      named("mx_session_limit").c_str(),
      "2",
      {},
      "How many servers of a destination may refuse a message for now before it is deferred; 0: all."};
  config::Enum<AddressPreference> address_preference{
      *this,
      named("address_preference").c_str(),
      "any",
      {{"any", AddressPreference::any}, {"ipv4", AddressPreference::ipv4}, {"ipv6", AddressPreference::ipv6}},
      "Which protocol is tried first among servers of one preference."};
  config::Boolean balance_protocols{
      *this, named("balance_inet_protocols").c_str(), "yes",
      "See to it that the address limit leaves addresses of both protocols where there are both."};
  config::Boolean randomize_addresses{*this, named("randomize_addresses").c_str(), "yes",
                                      "Shuffle servers of one preference."};
  config::List host_lookup{*this,
                           named("host_lookup").c_str(),
                           "dns",
                           {},
                           "Where hosts are looked up, in this order: dns, native (the file /etc/hosts, then "
                           "the DNS)."};
  config::Boolean disable_dns{*this, "disable_dns_lookups", "no",
                              "Use no MX records, and look hosts up as native does."};
  config::Enum<DnsSupport> dns_support{*this,
                                       named("dns_support_level").c_str(),
                                       "",
                                       {{"", DnsSupport::enabled},
                                        {"disabled", DnsSupport::disabled},
                                        {"enabled", DnsSupport::enabled},
                                        {"dnssec", DnsSupport::dnssec}},
                                       "disabled: as disable_dns_lookups. dnssec: validate answers with "
                                       "dnssec_trust_anchor_file."};
  config::List fallback_relay{*this,
                              named("fallback_relay").c_str(),
                              is_lmtp() ? "" : "$fallback_relay",
                              {},
                              "Next hops to try when those of the destination cannot be reached."};
  config::Boolean ignore_mx_lookup_error{
      *this, "ignore_mx_lookup_error", "no",
      "When MX records cannot be looked up, try the domain's own address."};
  config::Boolean defer_if_no_mx_address{
      *this, named("defer_if_no_mx_address_found").c_str(), "no",
      "Defer mail whose MX hosts have no address, instead of returning it."};
  config::Text bind_address{*this,
                            named("bind_address").c_str(),
                            "",
                            {},
                            "Our IPv4 address for connections; empty: the system's choice."};
  config::Text bind_address6{*this,
                             named("bind_address6").c_str(),
                             "",
                             {},
                             "Our IPv6 address for connections; empty: the system's choice."};

  // ---- how it is spoken
  config::Text helo_name{*this,
                         named("helo_name").c_str(),
                         "$myhostname",
                         {.min_length = 1, .max_length = 255, .legacy = is_lmtp() ? "lmtp_lhlo_name" : ""},
                         "The name in EHLO, HELO or LHLO."};
  config::Boolean always_send_ehlo{*this, named("always_send_ehlo").c_str(), "yes",
                                   "Begin with EHLO whatever the greeting says."};
  config::Boolean never_send_ehlo{*this, named("never_send_ehlo").c_str(), "no", "Always begin with HELO."};
  config::List discard_keywords{*this,
                                named("discard_ehlo_keywords").c_str(),
                                "",
                                {},
                                "Features that are not used although servers offer them, such as dsn."};
  config::Integer line_length_limit{
      *this, named("line_length_limit").c_str(), "998", {}, "Longer lines are sent in pieces; 0: never."};
  config::Boolean skip_5xx_greeting{*this, named("skip_5xx_greeting").c_str(), "yes",
                                    "Try the next server, and later again, when a server greets with 5xx."};
  config::Boolean skip_quit_response{*this, named("skip_quit_response").c_str(), is_lmtp() ? "no" : "yes",
                                     "Do not wait for the answer to QUIT."};
  config::Boolean send_xforward{*this, named("send_xforward_command").c_str(), "no",
                                "Tell servers that offer XFORWARD who our client was; for content filters."};

  // ---- connections kept for the next message
  config::Boolean cache_on_demand{*this, named("connection_cache_on_demand").c_str(), "yes",
                                  "Keep connections for a moment, for the next message to the same place."};
  config::List cache_destinations{*this,
                                  named("connection_cache_destinations").c_str(),
                                  "",
                                  {},
                                  "Next hops whose connections are kept also when cache_on_demand is no."};
  config::Duration cache_time_limit{*this,
                                    named("connection_cache_time_limit").c_str(),
                                    "2s",
                                    {.max = 60},
                                    "How long an unused connection is kept."};
  config::Duration reuse_time_limit{*this,
                                    named("connection_reuse_time_limit").c_str(),
                                    "300s",
                                    {.min = 1},
                                    "How old a connection may become and still be used again."};
  config::Integer reuse_count_limit{*this,
                                    named("connection_reuse_count_limit").c_str(),
                                    "0",
                                    {},
                                    "How many messages one connection may carry; 0: any number."};

  // ---- TLS
  config::Enum<TlsLevel> tls_level{
      *this,
      named("tls_security_level").c_str(),
      "",
      {{"", TlsLevel::none},
       {"none", TlsLevel::none},
       {"may", TlsLevel::may},
       {"dane", TlsLevel::dane},
       {"encrypt", TlsLevel::encrypt},
       {"verify", TlsLevel::verify},
       {"secure", TlsLevel::verify}},
      "TLS with servers: none, may (where it works; so is dane), encrypt (or not at all), "
      "verify and secure (with a certificate for the server's or the domain's "
      "name)."};
  config::Boolean tls_wrappermode{*this, named("tls_wrappermode").c_str(), "no",
                                  "TLS from the first byte; needs the security level encrypt or above."};
  config::Integer tls_loglevel{*this,
                               named("tls_loglevel").c_str(),
                               "0",
                               {.max = 4},
                               "1 or more: log what each TLS connection agreed on."};
  config::Boolean note_starttls{*this, named("tls_note_starttls_offer").c_str(), "no",
                                "Log servers that offer STARTTLS where it is not used."};
  config::Text tls_ca_file{*this,
                           named("tls_CAfile").c_str(),
                           "",
                           {},
                           "Certificates in PEM of the authorities that servers are trusted by."};
  config::Boolean append_default_ca{*this, "tls_append_default_CA", "no",
                                    "Trust the system's authorities as well."};
  config::Integer verify_depth{*this,
                               named("tls_scert_verifydepth").c_str(),
                               "9",
                               {.min = 1, .max = 100},
                               "How many authorities may stand above a server's certificate."};
  config::List verify_match{
      *this,
      named("tls_verify_cert_match").c_str(),
      "hostname",
      {},
      "Names that a certificate may have at level verify: hostname, nexthop, dot-nexthop "
      "(any host below it), or names."};
  config::Text tls_protocols{
      *this,
      named("tls_protocols").c_str(),
      ">=TLSv1",
      {},
      "TLS versions that are spoken: >=TLSv1.2, or names to allow or, with !, to exclude."};
  config::Text tls_mandatory_protocols{*this,
                                       named("tls_mandatory_protocols").c_str(),
                                       ">=TLSv1.2",
                                       {},
                                       "As tls_protocols, at levels encrypt and above."};
  config::Text tls_ciphers{
      *this, named("tls_ciphers").c_str(), "medium", {}, "The least grade of ciphers: high or medium."};
  config::Text tls_mandatory_ciphers{*this,
                                     named("tls_mandatory_ciphers").c_str(),
                                     "medium",
                                     {},
                                     "As tls_ciphers, at levels encrypt and above."};
  config::Text tls_exclude_ciphers{*this,
                                   named("tls_exclude_ciphers").c_str(),
                                   "",
                                   {},
                                   "Ciphers and classes of ciphers, by OpenSSL's names, that are not used."};
  config::Text tls_mandatory_exclude_ciphers{
      *this,
      named("tls_mandatory_exclude_ciphers").c_str(),
      "",
      {},
      "Further ciphers that are not used at levels encrypt and above."};

  bool tls_required() const { return tls_level() >= TlsLevel::encrypt; }
  bool uses_dns() const { return !disable_dns() && dns_support() != DnsSupport::disabled; }
  tls::Strength strength() const;

 private:
  std::string named(const char* suffix) const { return prefix + "_" + suffix; }
};

void declare_smtp(config::Catalogue& catalogue);

}  // namespace postrider::smtp_client
