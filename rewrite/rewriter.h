// Brings an address into its standard form: user@domain with a complete domain.
//
// Pure text work on the external form, quotes left as they are; used for envelopes (context local)
// and for headers of local or remote clients. The text comes from strangers: linear time, and what
// makes no sense comes back unchanged for the resolver to refuse.
#pragma once

#include <string>
#include <string_view>

namespace postrider::rewrite {

struct RewriteRules {
  bool swap_bangpath = true;
  bool percent_hack = true;
  bool append_at_myorigin = true;
  bool append_dot_mydomain = false;
  std::string myorigin;       // for the local context
  std::string mydomain;       // for the local context
  std::string remote_domain;  // remote_header_rewrite_domain; empty: remote headers are left alone
};

enum class Context { local, remote };

// Without source route; site!user and user%site turned into user@site where there is no '@' yet; the
// origin and the domain appended where missing; without the dot at the end of the domain. The empty
// address stays empty.
std::string rewrite_address(std::string_view address, Context context, const RewriteRules& rules);

// The byte in question outside double quotes, first or last; npos if there is none. A backslash hides
// the byte behind it.
std::size_t find_unquoted(std::string_view text, char wanted);
std::size_t rfind_unquoted(std::string_view text, char wanted);

}  // namespace postrider::rewrite
