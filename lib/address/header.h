// Address lists of RFC 5322 headers, read the way people write them: for `sendmail -t`, for rewriting
// in cleanup, for ENVELOPE.
//
// Never fails as a whole: what is no address is skipped up to the next separator and reported. One pass,
// no recursion, linear time; the number of addresses is capped by the caller.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "lib/address/address.h"

namespace postrider::address {

struct HeaderMailbox {
  Address address;    // domain may be missing; empty for "<>"
  std::string name;   // display name without quotes; "" when there was none. Not decoded (RFC 2047).
  std::string group;  // name of the group it stands in, or ""
  // The addr-spec within the text, without brackets, route, comments before or after: replace
  // these bytes and everything else stays as its author wrote it.
  std::size_t begin = 0;
  std::size_t end = 0;
};

struct AddressList {
  std::vector<HeaderMailbox> mailboxes;
  std::vector<std::string_view> malformed;  // views into the text, at most 16
  bool truncated = false;                   // more than `max_mailboxes`
};

// `text` is a header's body, folded or not; it must outlive the result's views. Comments nest up to 100 deep;
// what is deeper, or not closed, makes the rest of the text malformed. Besides RFC 5322: ';' between
// addresses, missing commas between complete addresses, unquoted '@' and '.' in display names.
AddressList parse_address_list(std::string_view text, std::size_t max_mailboxes);

// "Name <user@example.org>", the name quoted where needed; the bare address without a name.
std::string format_mailbox(std::string_view name, const Address& address);

}  // namespace postrider::address
