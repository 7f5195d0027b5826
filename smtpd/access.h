// access(5): the keys that an access table is asked for, and what its answer means. Used by the restrictions
// (restrictions.h); nothing here waits or knows a session.
//
// Keys are made from what strangers said: their number and length are bounded by those of a command line.
// Values are the administrator's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/smtp/reply.h"
#include "smtpd/client.h"

namespace postrider::smtpd {

struct KeyRules {
  std::string_view delimiters;  // recipient_delimiter
  // example.org also means its subdomains (parent_domain_matches_subdomains has smtpd_access_maps); otherwise
  // they are asked for as .example.org.
  bool bare_parents = true;
};

// The most specific first: 192.0.2.1, 192.0.2, 192.0, 192; 2001:db8:0:1::5, 2001:db8:0:1, …
std::vector<std::string> network_keys(const Client& client);
// mail.example.org, example.org, org; lower-case. None for an empty name.
std::vector<std::string> domain_keys(std::string_view domain, const KeyRules& rules);
// user+ext@example.org, user@example.org, the domain's keys, user+ext@, user@; "<>" for the null sender.
std::vector<std::string> address_keys(std::string_view address, const KeyRules& rules);

struct AccessAction {
  enum class Kind {
    dunno,
    permit,
    refuse,           // with `reply`
    defer_if_permit,  // with `reply`, when nothing else refuses
    hold,
    discard,
    redirect,      // to `text`
    filter,        // through `text`
    prepend,       // the header line `text`
    warn,          // log `text`
    restrictions,  // `text` is a list of restrictions, or a mistake
    malformed,     // an action without the argument it needs; `text` says which
  };
  Kind kind = Kind::dunno;
  smtp::Reply reply;
  std::string text;
};

// `what` is what replies begin with: "<client[192.0.2.1]>: Client host rejected". `reject_code` is that of
// REJECT.
AccessAction parse_access(std::string_view value, std::string_view what, int reject_code);

}  // namespace postrider::smtpd
