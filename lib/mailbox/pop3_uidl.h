// UIDLs as pop3_uidl_format writes them, the same bytes as the server a site comes from: a different
// UIDL makes every client fetch everything again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"

namespace postrider::mailbox {

struct UidlSource {
  std::uint32_t uid = 0;
  std::uint32_t uid_validity = 0;
  std::string_view base;  // file name; empty for mbox
  std::string_view guid;
  std::string_view md5;  // of the message's header, in hexadecimal; mbox only
};

// Bytes that may not stand in a response line become '_'. configuration: the format is wrong.
Result<std::string> make_uidl(std::string_view format, const UidlSource& source);

// Whether the format needs nothing but UID and UIDVALIDITY.
bool uidl_from_uid_alone(std::string_view format);

// Makes equal ones differ: the second "x" becomes "x-2", the next "x-3".
void rename_duplicates(std::vector<std::string>& uidls);

}  // namespace postrider::mailbox
