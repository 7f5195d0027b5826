// What auth is asked: SASL exchanges by the servers, and who a user is.
//
// Clients: smtpd, pop3d, imapd (network) relay opaque challenges and responses; the sessions' starters
// redeem the ticket of a login. One exchange at a time on a connection: AuthStart, then AuthContinue
// for each challenge; AuthCancel ends it without an answer. Passwords never leave auth.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/ipc/codec.h"

namespace postrider::protocol {

inline constexpr std::size_t max_sasl_bytes = 16 * 1024;  // one challenge or response, decoded

struct ListMechanisms {
  static constexpr std::string_view name = "auth.list-mechanisms/1";
  std::string service;  // "smtp", "pop3", "imap"
  bool secure = false;  // the connection is encrypted: plaintext mechanisms may be offered
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.service, 64);
    v.flag(self.secure);
  }
};

struct Mechanisms {
  static constexpr std::string_view name = "auth.mechanisms/1";
  std::vector<std::string> names;  // in order of preference
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.texts(self.names, 64, 32);
  }
};

struct AuthStart {
  static constexpr std::string_view name = "auth.start/1";
  std::string service, mechanism;
  std::string client_address, local_address;  // numeric
  bool secure = false;
  bool has_initial = false;  // an initial response was given, even an empty one
  std::string initial;       // decoded
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.service, 64);
    v.text(self.mechanism, 32);
    v.text(self.client_address, 64);
    v.text(self.local_address, 64);
    v.flag(self.secure);
    v.flag(self.has_initial);
    v.text(self.initial, max_sasl_bytes);
  }
};

struct AuthContinue {
  static constexpr std::string_view name = "auth.continue/1";
  std::string response;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.response, max_sasl_bytes);
  }
};

struct AuthCancel {
  static constexpr std::string_view name = "auth.cancel/1";
  template <class Self, class V>
  static void fields(Self&, V&) {}
};

struct AuthStep {
  static constexpr std::string_view name = "auth.step/1";
  enum class Kind : std::uint8_t {
    challenge,      // `data` is for the client
    success,        // `data`: final server data, may be empty
    failure,        // wrong user or password: one answer for both
    temporary,      // a database could not be asked
    bad_mechanism,  // not offered here
    malformed,      // the client's response makes no sense
  };
  Kind kind = Kind::failure;
  std::string data;
  std::string user;    // login name as the databases know it; on failure the one tried, for the log
  std::string ticket;  // on success: redeemable once, within a minute, for the user's record
  std::string reason;  // for the log
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.word(self.kind, Kind::malformed);
    v.text(self.data, max_sasl_bytes);
    v.text(self.user, 512);
    v.text(self.ticket, 64);
    v.text(self.reason, 512);
  }
};

struct RedeemTicket {
  static constexpr std::string_view name = "auth.redeem/1";
  std::string ticket;
  std::string service;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.ticket, 64);
    v.text(self.service, 64);
  }
};

struct UserRecord {
  static constexpr std::string_view name = "auth.user/1";
  bool found = false;
  bool temporary = false;  // could not be asked
  std::string user;
  std::uint32_t uid = 0, gid = 0;
  std::string home;
  std::string mail;  // mail_location of this user; empty: the configured one
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.flag(self.found);
    v.flag(self.temporary);
    v.text(self.user, 512);
    v.number(self.uid, UINT32_MAX);
    v.number(self.gid, UINT32_MAX);
    v.text(self.home, 4096);
    v.text(self.mail, 4096);
  }
};

}  // namespace postrider::protocol
