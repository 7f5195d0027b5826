#include "lib/daemon/tls_config.h"

#include <fmt/core.h>

namespace postrider::daemon {

// A default that takes over smtpd's value where that is set; smtpd's own is `otherwise`.
std::string TlsServerConfig::inherited(const char* suffix, const char* otherwise) const {
  if (prefix == "smtpd") return otherwise;
  return fmt::format("${{smtpd_tls_{0}?{{$smtpd_tls_{0}}}:{{{1}}}}}", suffix, otherwise);
}

TlsServerConfig::TlsServerConfig(std::string prefix_of_names)
    : prefix(std::move(prefix_of_names)),
      security_level(*this, named("security_level").c_str(), inherited("security_level"),
                     {{"", TlsLevel::none},
                      {"none", TlsLevel::none},
                      {"may", TlsLevel::may},
                      {"encrypt", TlsLevel::encrypt}},
                     "Whether TLS is offered (may), demanded (encrypt) or neither (none, or empty)."),
      wrappermode(*this, named("wrappermode").c_str(), "no",
                  "TLS from the first byte, for services such as submissions, pop3s and imaps."),
      auth_only(*this, named("auth_only").c_str(), prefix == "smtpd" ? "no" : "yes",
                "Offer and accept logins under TLS only."),
      chain_files(*this, named("chain_files").c_str(), inherited("chain_files"), {.max_items = 16},
                  "Files in PEM, each with private keys, every one before its certificate chain; instead of "
                  "the cert_file and key_file parameters. Read by the keys service."),
      cert_file(*this, named("cert_file").c_str(), inherited("cert_file"), {},
                "A certificate chain in PEM, the server's own certificate first; none for no TLS."),
      key_file(*this, named("key_file").c_str(), "$" + named("cert_file"), {},
               "The private key for cert_file, in PEM and not encrypted. Read by the keys service."),
      eccert_file(*this, named("eccert_file").c_str(), inherited("eccert_file"), {},
                  "As cert_file, for a second certificate with an ECDSA key."),
      eckey_file(*this, named("eckey_file").c_str(), "$" + named("eccert_file"), {},
                 "As key_file, for eccert_file."),
      protocols(*this, named("protocols").c_str(), inherited("protocols", ">=TLSv1.2"), {},
                "TLS versions that are spoken: >=TLSv1.2, or names to allow or, with !, to exclude. Versions "
                "before TLSv1.2 are never spoken."),
      mandatory_protocols(*this, named("mandatory_protocols").c_str(),
                          inherited("mandatory_protocols", ">=TLSv1.2"), {},
                          "As protocols, where TLS is demanded."),
      ciphers(*this, named("ciphers").c_str(), inherited("ciphers", "medium"), {},
              "The least grade of ciphers: high or medium."),
      mandatory_ciphers(*this, named("mandatory_ciphers").c_str(), inherited("mandatory_ciphers", "medium"),
                        {}, "As ciphers, where TLS is demanded."),
      exclude_ciphers(*this, named("exclude_ciphers").c_str(), inherited("exclude_ciphers"), {},
                      "Ciphers and classes of ciphers, by OpenSSL's names, that are not used."),
      mandatory_exclude_ciphers(*this, named("mandatory_exclude_ciphers").c_str(),
                                inherited("mandatory_exclude_ciphers"), {},
                                "Further ciphers that are not used where TLS is demanded."),
      ask_ccert(*this, named("ask_ccert").c_str(), "no", "Ask clients for a certificate."),
      req_ccert(*this, named("req_ccert").c_str(), "no",
                "Refuse clients without a trusted certificate where TLS is demanded."),
      ca_file(*this, named("CAfile").c_str(), inherited("CAfile"), {},
              "Certificates in PEM of the authorities that client certificates are trusted by."),
      ccert_verifydepth(*this, named("ccert_verifydepth").c_str(), "9", {.min = 1, .max = 100},
                        "How many authorities may stand above a client's certificate."),
      loglevel(*this, named("loglevel").c_str(), inherited("loglevel", "0"), {.max = 4},
               "1 or more: log what each TLS connection agreed on."),
      session_cache_timeout(*this, named("session_cache_timeout").c_str(),
                            inherited("session_cache_timeout", "3600s"), {.min = 60, .max = 86400 * 7},
                            "How long a TLS session may be resumed, and how often the keys of session "
                            "tickets change."),
      preempt_cipherlist(*this, "tls_preempt_cipherlist", "no",
                         "Prefer our order of ciphers to the client's."),
      eecdh_auto_curves(*this, "tls_eecdh_auto_curves", "auto", {},
                        "The elliptic curves and groups for key exchange in order of preference; auto for a "
                        "good choice.") {}

std::vector<protocol::GetChains::File> TlsServerConfig::files() const {
  std::vector<protocol::GetChains::File> files;
  for (const std::string& file : chain_files()) files.push_back({"", file});
  if (!files.empty()) return files;
  const auto add = [&files](const std::string& certificate, const std::string& key) {
    if (!certificate.empty() && certificate != "none") files.push_back({certificate, key});
  };
  add(cert_file(), key_file());
  add(eccert_file(), eckey_file());
  return files;
}

tls::Strength TlsServerConfig::strength() const {
  tls::Strength strength;
  strength.protocols = mandatory() ? mandatory_protocols() : protocols();
  strength.grade = mandatory() ? mandatory_ciphers() : ciphers();
  strength.exclude_ciphers = exclude_ciphers();
  if (mandatory()) strength.exclude_ciphers += " " + mandatory_exclude_ciphers();
  strength.curves = eecdh_auto_curves();
  strength.prefer_server_order = preempt_cipherlist();
  return strength;
}

}  // namespace postrider::daemon
