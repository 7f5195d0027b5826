// The restriction lists of main.cf: parsed once when smtpd starts, evaluated for each client and recipient.
//
// A list is evaluated in order until one restriction permits or refuses; the end of a list is neutral.
// Tables and recipient lookups go to the rewrite service. An unknown restriction is a mistake in main.cf:
// it is logged and refuses with 451, as in Postfix, so that a typing error never opens a relay.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/config/values.h"
#include "lib/event/loop.h"
#include "lib/protocol/rewrite.h"
#include "lib/smtp/reply.h"
#include "smtpd/client.h"
#include "smtpd/config.h"

namespace postrider::smtpd {

class Server;

// What restrictions look at. Views are of the session and live as long as the evaluation.
struct Situation {
  const Client& client;
  std::string_view helo;    // "" before HELO
  std::string_view sender;  // external form; "" for <>
  bool has_sender = false;
  std::string_view recipient;
  const protocol::Route* route = nullptr;  // of the recipient
  std::string_view sasl_username;          // "": not authenticated
  bool pipelined = false;                  // the client sent more than it may (reject_unauth_pipelining)
};

struct Verdict {
  enum class Kind { neutral, permit, refuse };
  Kind kind = Kind::neutral;
  smtp::Reply reply;  // when refused; the text as it stands in the reply and in the log
  bool hold = false, discard = false;
  std::string redirect, filter;
  std::vector<std::string> prepend;
};

struct Restriction {
  std::string name;      // lower-case
  std::string argument;  // table or domain, for those that take one
  bool warn_only = false;
};

class RestrictionList {
 public:
  RestrictionList() = default;
  // configuration: a restriction that needs an argument has none, a class refers to itself.
  static Result<RestrictionList> parse(const std::vector<std::string>& items, const config::Values& values,
                                       const std::vector<std::string>& classes, const std::string& parameter);

  // `what` names the value that a plain reject speaks of: "Client host", "Helo command", …
  event::Task<Verdict> evaluate(Server& server, Situation situation, std::string_view what) const;
  bool empty() const { return restrictions_.empty(); }
  // Whether one of these is in the list: a list of recipients without it makes an open relay.
  bool protects_relay() const;
  const std::vector<Restriction>& items() const { return restrictions_; }

 private:
  std::vector<Restriction> restrictions_;
  std::string parameter_;
};

// "name[address]" forms aside, the reply text for relay attempts and unknown users; one place each.
smtp::Reply relay_denied(const SmtpdConfig& config, std::string_view recipient);

// Whether mail for this route is for us or a domain we relay for. `recipient` with a route in its local
// part is not, where the next host would obey it.
bool is_authorised_destination(const SmtpdConfig& config, const protocol::Route& route,
                               std::string_view recipient);

}  // namespace postrider::smtpd
