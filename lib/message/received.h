// The Received: field, worded as Postfix words it, which log analysers and spam filters read.
//
// The result is a whole field with folds, ended by LF. Every text from a peer loses its control characters
// and what could close a comment.
#pragma once

#include <string>
#include <string_view>

#include "lib/address/ip.h"
#include "lib/base/clock.h"
#include "lib/message/date.h"

namespace postrider::message {

// What is shown with smtpd_tls_received_header = yes. Empty texts are left out.
struct ReceivedTls {
  std::string protocol;  // "TLSv1.3"
  std::string cipher;    // "TLS_AES_256_GCM_SHA384"
  int used_bits = 0;
  int bits = 0;
  std::string key_exchange;      // "X25519"
  std::string server_signature;  // "RSA-PSS (2048 bits)"
  std::string server_digest;     // "SHA256"
  bool asked_for_certificate = false;
  bool has_certificate = false;
  std::string client_cn;
  std::string issuer_cn;
  bool verified = false;
};

struct Received {
  std::string helo;         // as parse_helo() returned it; "" shows `client_name`
  std::string client_name;  // "unknown" when not verified
  address::IpAddress client_address;
  std::string sasl_username;         // "" when not authenticated or not to be shown
  const ReceivedTls* tls = nullptr;  // null: not encrypted, or not to be shown
  std::string hostname;              // myhostname
  std::string mail_name;             // "Postrider"
  std::string protocol;              // "SMTP", "ESMTP", "ESMTPSA", "LMTP", … (RFC 3848)
  std::string queue_id;
  std::string recipient;  // Address::text() when there is exactly one; "" otherwise
  WallTime time{};
  Zone zone;
};

// "Received: from helo (name [address]) … by hostname (mail_name) with protocol id queue_id …".
std::string received_by_smtp(const Received& received);

// "Received: by hostname (mail_name, from userid uid)\n\tid queue_id; date".
std::string received_from_user(std::string_view hostname, std::string_view mail_name, unsigned long uid,
                               std::string_view queue_id, WallTime time, const Zone& zone);

// "Received: by hostname (mail_name)\n\tid queue_id; date": mail that the system itself made.
std::string received_internally(std::string_view hostname, std::string_view mail_name,
                                std::string_view queue_id, WallTime time, const Zone& zone);

// The protocol keyword of RFC 3848 and RFC 6531 4.3: "ESMTPSA", "UTF8SMTPS", "LMTP", …
std::string with_protocol(bool lmtp, bool extended, bool tls, bool authenticated, bool utf8);

}  // namespace postrider::message
