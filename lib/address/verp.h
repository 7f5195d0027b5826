// VERP: a sender address that names the recipient, so that what bounces says for whom it was, in whatever
// form the report comes. As Postfix writes them: owner-list@example.org with the delimiters "+=" and for
// bob@example.net is owner-list+bob=example.net@example.org.
#pragma once

#include <string>
#include <string_view>

namespace postrider::address {

// Whether `delimiters` are two characters of `allowed` (verp_delimiter_filter).
bool are_verp_delimiters(std::string_view delimiters, std::string_view allowed);

// `delimiters` are two characters. Addresses are in internal form; a null sender stays null.
std::string verp_sender(std::string_view sender, std::string_view delimiters, std::string_view recipient);

}  // namespace postrider::address
