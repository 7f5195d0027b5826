// What is in an mbox file: where each message begins and ends, and what its header says about it.
//
//   From sender date            begin
//   Header: fields              header
//
//   body                        body … end
//
//   From …                      next
//
// Content-Length is believed where a separator or the end of the file follows. The file is anybody's:
// nothing in it can make the scan fail but that it does not begin as an mbox.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/os/files.h"

namespace postrider::mailbox {

struct MboxMessage {
  std::uint64_t begin = 0, header = 0, body = 0, end = 0, next = 0;  // offsets in the file
  std::uint64_t octets = 0;  // of the visible header, the blank line and the body, lines ended by CRLF
  std::uint32_t uid = 0;     // X-UID; 0: none, or not to be believed
  bool seen = false;         // Status: R
  bool internal = false;     // c-client's message of its own data, not mail
  std::string md5;           // of the visible header, in hexadecimal
};

struct MboxScan {
  std::uint32_t uid_validity = 0;  // X-IMAPbase; 0: none
  std::string base_line;           // that field as it stands, with its line end
  std::vector<MboxMessage> messages;
};

// permanent: the file does not begin with a separator.
Result<MboxScan> scan_mbox(os::Files& files, int fd);

// The header without the fields in which mail programs keep their own state.
std::string visible_header(std::string_view header);

}  // namespace postrider::mailbox
