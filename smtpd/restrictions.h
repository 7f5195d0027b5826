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
  std::string sender_internal;  // of `sender`
  std::string_view recipient;
  const protocol::RecipientChecked* checked = nullptr;  // what rewrite says of the recipient
  std::string_view sasl_username;                       // "": not authenticated
  bool pipelined = false;  // the client sent more than it may (reject_unauth_pipelining)
};

struct Verdict {
  enum class Kind { neutral, permit, refuse };
  Kind kind = Kind::neutral;
  smtp::Reply reply;  // when refused; the text as it stands in the reply and in the log
  // The reply to give where nothing refuses (defer_if_permit); code 0: none.
  smtp::Reply deferred;
  bool hold = false, discard = false;
  std::string redirect, filter;
  std::vector<std::string> prepend;

  // Takes on what `later` did to the message, and its decision if it made one.
  void add(Verdict later);
};

struct Restriction {
  std::string name;      // lower-case
  std::string argument;  // table or domain, for those that take one
  bool warn_only = false;
};

class RestrictionList {
 public:
  RestrictionList() = default;
  // configuration: a restriction that needs an argument has none, a class refers to itself, a table where the
  // list is not about one thing to look up (smtpd_data_restrictions).
  static Result<RestrictionList> parse(const std::vector<std::string>& items, const config::Values& values,
                                       const std::vector<std::string>& classes,
                                       const std::string& parameter) {
    return parse(items, values, classes, parameter, {});
  }

  // `what` names the value that a plain reject speaks of: "Client host", "Helo command", …
  // `depth` counts lists that tables answered with.
  event::Task<Verdict> evaluate(Server& server, Situation situation, std::string_view what,
                                int depth = 0) const;
  bool empty() const { return restrictions_.empty(); }
  // Whether one of these comes before an unconditional permit: lists of recipients without it make an open
  // relay.
  bool protects_relay() const;
  const std::vector<Restriction>& items() const { return restrictions_; }

 private:
  // `open`: the classes that are being parsed, outermost first.
  static Result<RestrictionList> parse(const std::vector<std::string>& items, const config::Values& values,
                                       const std::vector<std::string>& classes, const std::string& parameter,
                                       const std::vector<std::string>& open);
  event::Task<Verdict> check_table(Server& server, const Restriction& restriction, Situation at,
                                   std::vector<std::string> keys, std::string what, int depth) const;

  std::vector<Restriction> restrictions_;
  std::string parameter_;
};

// "name[address]" forms aside, the reply text for relay attempts and unknown users; one place each.
smtp::Reply relay_denied(const SmtpdConfig& config, std::string_view recipient);

// Whether mail for this route is for us or a domain we relay for. One whose local part says where the next
// host shall send it is not, where that host would obey.
bool is_authorised_destination(const SmtpdConfig& config, const protocol::Route& route);

enum class Party { sender, recipient };
// The refusal of an address that no table lists, or whose tables cannot be asked; nullopt for others.
std::optional<smtp::Reply> unlisted(const SmtpdConfig& config, const protocol::RecipientChecked& checked,
                                    std::string_view address, Party party);

}  // namespace postrider::smtpd
