// Delivery status notifications: RFC 3464 reports, and RFC 6533 ones where addresses need UTF-8, from a
// value to the bytes of a message with LF line ends.
//
// Used by bounce. Texts in a report come from peers and users: everything that goes into a header field or
// a status field loses its control characters, and the boundary never occurs in what is returned. Who is
// told, and whether, is decided elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/address/address.h"
#include "lib/base/clock.h"
#include "lib/message/date.h"
#include "lib/smtp/status.h"

namespace postrider::dsn {

using smtp::Status;

enum class Kind : std::uint8_t {
  failed,     // "Undelivered Mail Returned to Sender"
  delayed,    // "Delayed Mail (still being retried)"
  succeeded,  // "Successful Mail Delivery Report"
  verified,   // "Mail Delivery Status Report"
};

// RFC 3464 2.3.3; the last two tell what a trial would have come to, in Postfix's words.
enum class Action : std::uint8_t {
  failed,
  delayed,
  delivered,
  relayed,
  expanded,
  deliverable,
  undeliverable
};
std::string_view action_name(Action action);

struct RecipientStatus {
  address::Address recipient;  // final recipient
  std::string original;        // the address as first given, internal form; "" or the same: not shown
  std::string orcpt;           // "type;address", decoded; "": made from `original`
  Action action = Action::failed;
  Status status;
  std::string reason;        // for people; one line
  std::string remote_mta;    // host that spoke, "" if none did
  std::string remote_reply;  // its reply; "": the diagnostic is `reason`, in our own name
  std::optional<WallTime> last_attempt;
  std::optional<WallTime> retry_until;  // delayed: when it will be given up
};

// How much of the message comes back.
enum class Returned : std::uint8_t { full, headers };

struct Report {
  Kind kind = Kind::failed;
  bool to_postmaster = false;  // a copy for, or a double bounce to, the postmaster
  address::Address from;       // MAILER-DAEMON@…
  address::Address to;
  std::string hostname;     // myhostname
  std::string mail_name;    // "Postrider"
  std::string queue_id;     // of the message that is reported on
  address::Address sender;  // its envelope sender
  std::string envid;        // its ENVID, decoded; "" when not given
  WallTime arrival{};
  WallTime now{};
  message::Zone zone;
  std::optional<WallTime> retry_until;  // delayed: for the text
  bool smtputf8 = false;                // it came with SMTPUTF8, so its sender understands RFC 6533
  Returned returned = Returned::full;
  std::vector<RecipientStatus> recipients;
};

// What the text part shows at most; the status part always has every recipient.
inline constexpr std::size_t max_described = 500;
inline constexpr std::size_t max_diagnostic = 900;  // bytes of one reason or reply

struct Composed {
  std::string message;     // header and body, LF line ends, without Received: and Message-Id:
  bool eight_bit = false;  // holds bytes above 0x7f
  bool utf8 = false;       // its header or addresses need SMTPUTF8
};

// `content` is the message reported on, or as much of it as the caller wants back; with Returned::headers
// only its header block is used. The composed message is a few kilobytes larger than that.
Composed compose(const Report& report, std::string_view content);

// "Undelivered Mail Returned to Sender" and the others, as Postfix has them.
std::string_view subject(Kind kind, bool to_postmaster);

}  // namespace postrider::dsn
