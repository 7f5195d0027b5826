// The queue listing as showq sends it and prqueue reads it: Postfix's own wire, so that programs which
// connect to public/showq themselves understand it. Attributes are name NUL value NUL; an empty name
// ends a message, the end of the stream the listing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/os/files.h"
#include "lib/queue/envelope.h"
#include "lib/queue/layout.h"

namespace postrider::queue {

struct ListedRecipient {
  std::string original;  // empty: as `address`
  std::string address;
  std::string reason;  // of the last attempt; empty: none was made
};

struct ListedMessage {
  std::string queue;  // "active", "deferred", "hold", "incoming", "maildrop"
  std::string id;
  std::int64_t arrival = 0;  // seconds since 1970
  std::uint64_t size = 0;
  bool forced_expire = false;
  std::string sender;
  std::vector<ListedRecipient> recipients;
};

// The message with the recipients that are still to be served.
ListedMessage listed(std::string_view queue, const Envelope& envelope);

// A file of maildrop/, as pickup would take it; an error when it would not.
Result<ListedMessage> listed_submission(os::Files& files, const Layout& layout, std::string_view name,
                                        uid_t mail_owner);

void append_wire(const ListedMessage& message, std::string& out);

// Reads a listing in pieces. Caps every attribute; unknown names are skipped.
class ListingParser {
 public:
  // `each` is called for every whole message. peer: an attribute is over its cap.
  Result<> feed(std::string_view bytes, const std::function<void(ListedMessage&)>& each);
  bool at_message_end() const { return pending_.empty() && !begun_; }

 private:
  std::string pending_;
  ListedMessage message_;
  std::string original_;  // of the recipient whose address comes next
  bool begun_ = false;
};

// One message as `mailq` prints it; `long_ids` chooses the column widths. With the heading and the
// trailer this is Postfix's format, which monitoring parses.
std::string mailq_heading(bool long_ids);
std::string mailq_text(const ListedMessage& message, bool long_ids);
std::string mailq_trailer(std::uint64_t messages, std::uint64_t bytes);

// One line of `postqueue -j`, with its newline.
std::string json_line(const ListedMessage& message);

}  // namespace postrider::queue
