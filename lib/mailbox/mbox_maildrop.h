// An mbox file as a POP3 maildrop. See pop3_maildrop.h for the contract.
//
// Nothing is written before QUIT. Messages that have an X-UID keep the UIDL it gives them; others are
// known by the MD5 of their header, which needs no place to be kept in. Reading does not mark messages
// as seen, since that would mean writing the file anew.
#pragma once

#include <memory>

#include "lib/mailbox/pop3_maildrop.h"

namespace postrider::mailbox {

Result<std::unique_ptr<Pop3Maildrop>> open_mbox_maildrop(os::Files& files, const Clock& clock,
                                                         const MailLocation& location,
                                                         const Pop3Options& options);

}  // namespace postrider::mailbox
