// dovecot-uidvalidity: the counter from which every new mailbox of a user takes its UIDVALIDITY, so that
// no two mailboxes ever share one. Byte-compatible with Dovecot: the file holds 8 lower-case hex
// digits; the authority is the name of an empty file beside it, dovecot-uidvalidity.<8 hex>.
#pragma once

#include <cstdint>
#include <string>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/os/files.h"

namespace postrider::mailbox {

// Takes the next value, never 0. Two processes at once get different ones: the marker is renamed.
// `root` is where the user's mailboxes and the two files are.
Result<std::uint32_t> next_uid_validity(os::Files& files, const Clock& clock, const std::string& root);

}  // namespace postrider::mailbox
