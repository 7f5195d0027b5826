// What a server offers in its reply to EHLO or LHLO, as the client remembers it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/smtp/reply.h"

namespace postrider::smtp {

struct Extensions {
  bool esmtp = false;  // false after HELO: nothing below holds
  bool pipelining = false;
  bool size = false;
  std::uint64_t size_limit = 0;  // 0: none stated (RFC 1870 4)
  bool eight_bit = false;
  bool binary = false;
  bool chunking = false;
  bool starttls = false;
  bool smtputf8 = false;
  bool dsn = false;
  bool enhanced_status = false;
  bool etrn = false;
  bool vrfy = false;
  bool require_tls = false;
  bool auth = false;
  std::vector<std::string> auth_mechanisms;     // upper case, at most 64
  std::vector<std::string> xclient_attributes;  // upper case
  std::vector<std::string> xforward_attributes;
  std::string host;  // the name in the first line, as the peer gave it
};

// `reply` is the positive reply to EHLO or LHLO. Unknown keywords are skipped; a name the caller wants to
// discard (smtp_discard_ehlo_keywords) is passed in upper case.
Extensions parse_extensions(const Reply& reply, const std::vector<std::string>& discard = {});

}  // namespace postrider::smtp
