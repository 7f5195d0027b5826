#include "lib/tls/strength.h"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/tls/openssl.h"

namespace postrider::tls {

namespace {

struct Version {
  std::string_view name;
  int number;
  std::uint64_t off;
};
constexpr std::array<Version, 6> versions{{{"SSLv2", 0x0200, 0},
                                           {"SSLv3", SSL3_VERSION, SSL_OP_NO_SSLv3},
                                           {"TLSv1", TLS1_VERSION, SSL_OP_NO_TLSv1},
                                           {"TLSv1.1", TLS1_1_VERSION, SSL_OP_NO_TLSv1_1},
                                           {"TLSv1.2", TLS1_2_VERSION, SSL_OP_NO_TLSv1_2},
                                           {"TLSv1.3", TLS1_3_VERSION, SSL_OP_NO_TLSv1_3}}};

constexpr std::string_view separators = ", \t\r\n:";

// A version's name, or its number on the wire as hexadecimal ("0x0303"). -1: neither.
int version_number(std::string_view text) {
  for (const Version& version : versions) {
    if (iequals(version.name, text)) return version.number;
  }
  if (istarts_with(text, "0x")) return parse_number<int>(text.substr(2), 16).value_or(-1);
  return -1;
}

constexpr std::string_view default_curves = "X25519:P-256:P-384:X448:P-521:ffdhe2048:ffdhe3072";

// What the keys process can be asked for.
constexpr std::string_view server_signatures =
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"
    "RSA+SHA256:RSA+SHA384:RSA+SHA512";

}  // namespace

Result<Protocols> parse_protocols(std::string_view text, int floor) {
  int lowest = floor;
  int highest = TLS1_3_VERSION;
  std::vector<int> included;
  std::vector<int> excluded;
  for (std::string_view word : split_any(text, separators)) {
    const std::string_view whole = word;
    enum { exactly, at_least, at_most, without } how = exactly;
    if (word.starts_with(">="))
      how = at_least, word.remove_prefix(2);
    else if (word.starts_with("<="))
      how = at_most, word.remove_prefix(2);
    else if (word.starts_with('!'))
      how = without, word.remove_prefix(1);
    const int number = version_number(trim(word));
    if (number < 0) {
      return fail(Trouble::configuration, fmt::format("unknown TLS protocol \"{}\" (SSLv2, SSLv3, TLSv1, "
                                                      "TLSv1.1, TLSv1.2, TLSv1.3, with >=, <= or !)",
                                                      whole));
    }
    switch (how) {
      case at_least: lowest = std::max(lowest, number); break;
      case at_most: highest = std::min(highest, number); break;
      case exactly: included.push_back(number); break;
      case without: excluded.push_back(number); break;
    }
  }
  Protocols result;
  const auto has = [](const std::vector<int>& list, int number) {
    return std::find(list.begin(), list.end(), number) != list.end();
  };
  for (const Version& version : versions) {
    const bool on = version.number >= lowest && version.number <= highest && !has(excluded, version.number) &&
                    (included.empty() || has(included, version.number));
    if (!on) {
      result.options |= version.off;
      continue;
    }
    if (result.lowest == 0) result.lowest = version.number;
    result.highest = version.number;
  }
  if (result.lowest == 0) {
    return fail(Trouble::configuration,
                fmt::format("TLS protocols \"{}\" leave none that is spoken here", text));
  }
  return result;
}

Result<std::string> cipher_list(const Strength& strength, bool signatures_only) {
  std::string list;
  if (iequals(strength.grade, "high")) {
    list = "HIGH";
  } else if (iequals(strength.grade, "medium") || iequals(strength.grade, "low") ||
             iequals(strength.grade, "export")) {
    list = "HIGH:MEDIUM";
  } else {
    return fail(Trouble::configuration,
                fmt::format("unknown TLS cipher grade \"{}\" (high, medium)", strength.grade));
  }
  list += ":!aNULL:!eNULL:!PSK:!SRP:!MD5:!RC4";
  if (signatures_only) list += ":!kRSA";
  for (const std::string_view name : split_any(strength.exclude_ciphers, separators)) {
    for (const char c : name) {
      if (!is_alnum(c) && c != '-' && c != '_' && c != '+') {
        return fail(Trouble::configuration, fmt::format("malformed cipher name \"{}\"", name));
      }
    }
    list += ":!";
    list += name;
  }
  return list + ":@STRENGTH";
}

Result<> apply_strength(SSL_CTX* context, const Strength& strength, bool server) {
  const auto protocols = parse_protocols(strength.protocols, server ? TLS1_2_VERSION : TLS1_VERSION);
  if (!protocols) return fail(protocols.error());
  const auto ciphers = cipher_list(strength, server);
  if (!ciphers) return fail(ciphers.error());

  SSL_CTX_set_min_proto_version(context, protocols->lowest);
  SSL_CTX_set_max_proto_version(context, protocols->highest);
  SSL_CTX_set_options(context, protocols->options);
  // An opportunistic client's alternative to weak TLS is none at all: levels are for servers and for
  // those who asked for strength.
  SSL_CTX_set_security_level(context, server || iequals(strength.grade, "high") ? 2 : 0);
  if (SSL_CTX_set_cipher_list(context, ciphers->c_str()) != 1) {
    return fail(Trouble::configuration, "no TLS cipher is left: " + library_error());
  }
  std::string curves(default_curves);
  if (!iequals(trim(strength.curves), "auto")) {
    curves.clear();
    for (const std::string_view name : split_any(strength.curves, separators)) {
      if (!curves.empty()) curves += ':';
      curves += name;
    }
  }
  if (SSL_CTX_set1_groups_list(context, curves.data()) != 1) {
    return fail(Trouble::configuration,
                fmt::format("unknown TLS curves \"{}\": {}", curves, library_error()));
  }
  if (server) {
    std::string own(server_signatures);
    std::string clients = own + ":ed25519:ed448";  // what a client's certificate may sign with
    if (SSL_CTX_set1_sigalgs_list(context, own.data()) != 1 ||
        SSL_CTX_set1_client_sigalgs_list(context, clients.data()) != 1) {
      return fail(Trouble::temporary, "signature algorithms: " + library_error());
    }
    SSL_CTX_set_dh_auto(context, 1);
  }
  if (strength.prefer_server_order) SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  return {};
}

Result<> check_strength(const Strength& strength) {
  const SslContextOwner context(SSL_CTX_new_ex(library(), nullptr, TLS_server_method()));
  if (!context) return fail(Trouble::temporary, "TLS context: " + library_error());
  return apply_strength(context.get(), strength, true);
}

}  // namespace postrider::tls
