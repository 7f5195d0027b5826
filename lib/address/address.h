// A mail address in the form programs compare: local part without quotes, domain as given.
//
// Used by every process that handles an envelope. Values own their text and come from the parsers
// of path.h (SMTP) and header.h (message headers), which refuse control characters; text built
// from an Address is therefore safe in a log line, a header or an SMTP command.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace postrider::address {

inline constexpr std::size_t max_local_part = 64;  // RFC 5321 4.5.3.1.1
inline constexpr std::size_t max_domain = 255;     // RFC 5321 4.5.3.1.2
// What the suite accepts where it is lenient: SRS and VERP make local parts above 64.
inline constexpr std::size_t max_lenient_local_part = 512;
inline constexpr std::size_t max_path = 1024;  // including brackets and a source route

struct Address {
  std::string local;   // unquoted; may hold spaces, '@', quotes
  std::string domain;  // "" when there was none; a literal keeps its brackets: "[192.0.2.1]"

  bool operator==(const Address&) const = default;

  // The null sender `<>`.
  bool empty() const { return local.empty() && domain.empty(); }
  bool has_domain() const { return !domain.empty(); }
  bool is_literal() const { return domain.starts_with('['); }
  // Whether SMTPUTF8 is needed to pass the address on.
  bool needs_utf8() const;

  // As RFC 5321 writes it, the local part quoted where needed; "" for the null sender. This is the form for
  // logs, commands and headers.
  std::string text() const;
  // text() in angle brackets.
  std::string path() const { return "<" + text() + ">"; }
  // local@domain without quotes: the form of table keys and of the queue, as in Postfix.
  std::string internal() const;
  // The reverse of internal(): the domain begins after the last '@'. No validation.
  static Address from_internal(std::string_view text);
};

// `local` as a dot-string where it is one, else as a quoted-string (RFC 5321 4.1.2). Bytes above 0x7f
// need no quotes.
std::string quote_local_part(std::string_view local);

// True for `atext` of RFC 5322 and bytes above 0x7f.
bool is_atom_character(char c);

// A display name as RFC 5322 writes it: atoms stay, anything else is quoted. Control characters are dropped.
std::string quote_phrase(std::string_view name);

// Splits at the first of `delimiters` (Postfix's recipient_delimiter set): "user+ext" -> {"user", "ext"}.
// The second is null when there is no extension: no delimiter, delimiter first, or a name that is never
// split (postmaster, mailer-daemon, double-bounce; owner-… and …-request where '-' delimits).
struct Extension {
  std::string_view user;
  std::string_view extension;
  bool present = false;  // "user+" has an empty extension that is present
};
Extension split_extension(std::string_view local, std::string_view delimiters);

}  // namespace postrider::address
