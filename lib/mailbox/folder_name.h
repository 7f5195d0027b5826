// Folder names: what IMAP says, what users read and what Maildir++ has on disk.
//
// On disk folder A/B is the directory ".A.B" of the root, in modified UTF-7 (RFC 3501 5.1.3) unless
// the site keeps UTF-8 there. Names come from clients: a name that could leave the tree, collide with
// the Maildir's own files or fail in the file system is refused here, before any path is made.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lib/base/error.h"

namespace postrider::mailbox {

struct FolderRules {
  char separator = '.';       // in names, one character
  std::string prefix;         // "" or such as "INBOX."; not part of the directory name
  bool utf8_on_disk = false;  // mailbox_list_utf8
};

// The directory's name, ".A.B"; empty for INBOX (any case). `name` is UTF-8. permanent: the name is
// not one we would keep; the text says why.
Result<std::string> folder_directory(std::string_view name, const FolderRules& rules);

// The way back, for a directory found on disk; nullopt when it is not a folder's name.
std::optional<std::string> folder_name(std::string_view directory, const FolderRules& rules);

// RFC 3501 5.1.3. Encoding refuses malformed UTF-8; decoding refuses what encoding never writes.
std::optional<std::string> utf7_encode(std::string_view utf8);
std::optional<std::string> utf7_decode(std::string_view text);

}  // namespace postrider::mailbox
