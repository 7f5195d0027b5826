// SMTP command lines: the verb, and a value for each command's arguments.
//
// smtpd splits a line, looks at the verb and asks for its arguments; what is malformed comes back as the
// reply to send, worded as Postfix words it. Nothing here knows the session's state: order, limits and
// policy are the caller's. The lines come from strangers; views point into them.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/address/address.h"
#include "lib/smtp/reply.h"

namespace postrider::smtp {

// The arguments, or the reply that says what is wrong with them.
template <class T>
using Parsed = std::expected<T, Reply>;

enum class Verb {
  unknown,
  helo,
  ehlo,
  lhlo,
  mail,
  rcpt,
  data,
  bdat,
  rset,
  noop,
  quit,
  vrfy,
  expn,
  etrn,
  help,
  starttls,
  auth,
  xclient,
  xforward,
};

struct CommandLine {
  Verb verb = Verb::unknown;
  std::string_view name;       // the verb as sent, for logs (through printable())
  std::string_view arguments;  // without blanks around
};
// `line` is without its line end. 500 for control characters (a tab is a blank) and bytes that are not UTF-8.
Parsed<CommandLine> split_command(std::string_view line);
// "MAIL", "STARTTLS", …; "UNKNOWN".
std::string_view verb_name(Verb verb);

// What the session has offered and how strict it is: parameters not offered are refused with 555.
struct EnvelopeRules {
  bool strict = false;  // strict_rfc821_envelopes
  bool utf8 = false;    // addresses may hold UTF-8 (smtputf8_enable)
  bool smtputf8 = false;
  bool size = true;
  bool eight_bit = true;
  bool binary = false;  // BODY=BINARYMIME
  bool dsn = true;
  bool auth = false;         // AUTH=
  bool require_tls = false;  // REQUIRETLS
  bool verp = false;         // XVERP
};

enum class Body : std::uint8_t { unset, seven_bit, eight_bit, binary };
enum class Return : std::uint8_t { unset, full, headers };

// NOTIFY (RFC 3461 4.1) as a set; the bits are Postfix's.
struct Notify {
  static constexpr std::uint8_t never = 1, success = 2, failure = 4, delay = 8;
  std::uint8_t bits = 0;  // 0: not given

  bool operator==(const Notify&) const = default;
  bool given() const { return bits != 0; }
  bool has(std::uint8_t bit) const { return (bits & bit) != 0; }
  // "SUCCESS,DELAY"; "" when not given.
  std::string text() const;
  // "NEVER" alone, or a list of the others, in any case. Also for sendmail -N.
  static std::optional<Notify> parse(std::string_view text);
};

inline constexpr std::size_t max_envid = 100;  // RFC 3461 4.4, decoded
inline constexpr std::size_t max_orcpt = 500;  // RFC 3461 4.2, decoded with its type

struct MailArguments {
  address::Address sender;
  std::optional<std::uint64_t> size;
  Body body = Body::unset;
  Return ret = Return::unset;
  bool smtputf8 = false;
  bool require_tls = false;
  std::string envid;                // decoded, printable ASCII; "" when not given
  std::optional<std::string> auth;  // decoded, printable; "<>" for an unknown submitter
  std::optional<std::string> verp;  // XVERP: the delimiters, or "" for the server's own
};
struct RcptArguments {
  address::Address recipient;
  Notify notify;
  std::string orcpt;  // "rfc822;user@example.org", the address decoded; "" when not given
};
struct BdatArguments {
  std::uint64_t size = 0;
  bool last = false;
};
struct AuthArguments {
  std::string mechanism;               // upper case
  std::optional<std::string> initial;  // base64 as sent; "=" stands for an empty one (RFC 4954 4)
};
struct VerifyArguments {
  address::Address who;  // the domain may be missing
  bool smtputf8 = false;
};

// The host name for logs and Received:, harmless: what could end a comment or a token is '?', as in Postfix.
Parsed<std::string> parse_helo(Verb verb, std::string_view arguments);
Parsed<MailArguments> parse_mail(std::string_view arguments, const EnvelopeRules& rules);
Parsed<RcptArguments> parse_rcpt(std::string_view arguments, const EnvelopeRules& rules);
Parsed<BdatArguments> parse_bdat(std::string_view arguments);
Parsed<AuthArguments> parse_auth(std::string_view arguments);
Parsed<VerifyArguments> parse_vrfy(Verb verb, std::string_view arguments, const EnvelopeRules& rules);
Parsed<std::string> parse_etrn(std::string_view arguments);  // a domain or literal
// DATA, RSET, STARTTLS and such: 501 when anything follows.
Parsed<void> parse_bare(Verb verb, std::string_view arguments);

// One name=value of XCLIENT or XFORWARD.
struct PeerAttribute {
  enum class Known : std::uint8_t { yes, unavailable, temporarily_not };
  std::string name;  // upper case, one that the command knows
  Known known = Known::yes;
  std::string value;  // decoded and checked: an address, a port, a host name, printable text
};
Parsed<std::vector<PeerAttribute>> parse_peer_attributes(Verb verb, std::string_view arguments);

// "type;address" of ORCPT=, decoded (RFC 3461 4.2, RFC 6533 3). nullopt when malformed. Also for headers.
std::optional<std::string> decode_orcpt(std::string_view text);

// What a client sends, without line end; parameters that are unset are left out.
std::string mail_command(const MailArguments& mail);
std::string rcpt_command(const RcptArguments& rcpt);

}  // namespace postrider::smtp
