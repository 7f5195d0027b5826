// A mailbox as POP3 sees it: numbered messages with a size and a UIDL, locked for one session,
// changed only at QUIT. Used by pop3-session, running as the mailbox's owner. Blocking.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/mailbox/content.h"
#include "lib/mailbox/location.h"
#include "lib/os/files.h"

namespace postrider::mailbox {

struct Pop3Options {
  // pop3_uidl_format, see percent.h: %u UID, %v UIDVALIDITY, %f base name, %g GUID, %m MD5 of the header
  // (mbox).
  std::string uidl_format = "%08Xu%08Xv";
  bool rename_duplicates = false;  // pop3_uidl_duplicates = rename: the second becomes "<uidl>-2"
  bool reuse_xuidl = false;        // pop3_reuse_xuidl: an X-UIDL: header field wins
  bool lock_session = true;        // exclusive for the session (RFC 1939 section 4)
  Milliseconds lock_timeout{0};    // how long to wait for another session to end
};

// What the session did, given to update(). Indices count from 0.
struct Pop3Changes {
  std::vector<std::size_t> deleted;  // sorted
  std::vector<std::size_t> seen;     // sorted; retrieved, to be marked \Seen
};

class Pop3Maildrop {
 public:
  // configuration: pop3_uidl_format is wrong; temporary: another session holds the
  // maildrop ([IN-USE]) or the file system failed.
  static Result<std::unique_ptr<Pop3Maildrop>> open(os::Files& files, const Clock& clock, Log& log,
                                                    const MailLocation& location, const Pop3Options& options);

  virtual ~Pop3Maildrop() = default;  // gives the lock back; without update() nothing changed

  virtual std::size_t count() const = 0;
  // Octets as RETR sends them, every line ended by CRLF, before dot-stuffing.
  virtual std::uint64_t octets(std::size_t index) const = 0;
  virtual std::uint64_t total_octets() const = 0;
  // Printable and without blanks; longer than the 70 characters of RFC 1939 if the format says so.
  virtual std::string uidl(std::size_t index) const = 0;
  virtual bool seen(std::size_t index) const = 0;  // was \Seen when the session began (LAST)

  // The stored message, lines as on disk: the sender makes the line ends CRLF. not_found: someone
  // removed it meanwhile.
  virtual Result<StoredMessage> read(std::size_t index) = 0;

  // Enters the UPDATE state. On error some of the messages may still be there.
  virtual Result<> update(const Pop3Changes& changes) = 0;
};

}  // namespace postrider::mailbox
