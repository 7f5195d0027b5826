// RFC 5321 paths: the argument of MAIL FROM and RCPT TO, and addresses on a command line.
//
// The text comes from strangers. What is accepted holds no control characters, has a local part and,
// where it has a domain, one that is a valid name or literal; a source route is checked and dropped.
#pragma once

#include <cstddef>
#include <string_view>

#include "lib/address/address.h"
#include "lib/base/error.h"

namespace postrider::address {

struct PathRules {
  // strict_rfc821_envelopes: brackets are required, the RFC's lengths hold, a local part is a dot-string or
  // one quoted-string, only postmaster may lack a domain. Otherwise also: no brackets, blanks inside
  // them, dots anywhere in a local part, a trailing dot of a domain (dropped), '_' in names.
  bool strict = false;
  bool utf8 = false;        // RFC 6531 characters are taken (SMTPUTF8 was offered)
  bool allow_null = false;  // `<>` is taken
};

struct Path {
  Address address;
  std::size_t size = 0;  // bytes of the text consumed, brackets included
};

// Reads one path from the front of `text`, which begins at '<' (or, not strict, at the address itself, which
// then ends at a blank). What follows is the caller's. permanent error when malformed; its text is for the
// log.
Result<Path> parse_path(std::string_view text, const PathRules& rules);

// The whole of `text` is one address, with or without brackets: a command-line recipient, a table's
// right-hand side. `allow_null` also takes "".
Result<Address> parse_address(std::string_view text, const PathRules& rules);

}  // namespace postrider::address
