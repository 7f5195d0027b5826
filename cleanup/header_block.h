// A message's own header, on its way through cleanup: what is in it, which addresses may be rewritten, and
// what is added when it lacks something (cleanup(8), Postfix's rules). Pure: no lookups, no clock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/clock.h"
#include "lib/message/date.h"

namespace postrider::cleanup {

// An address in a header; `text` is in internal form and may be replaced by whoever rewrites.
struct HeaderAddress {
  bool of_sender = false;  // From:, Reply-To:, … rather than To:, Cc:, …
  std::string text;

 private:
  friend class HeaderBlock;
  std::size_t part_ = 0, begin_ = 0, end_ = 0;  // where it stands
  std::string original_;
};

// What completing a header needs to know.
struct Completion {
  std::string queue_id;
  WallTime arrival{};
  message::Zone zone;
  std::string hostname;     // myhostname
  std::string origin;       // myorigin, for MAILER-DAEMON
  std::string sender;       // envelope, internal form
  std::string full_name;    // sendmail -F
  std::string undisclosed;  // undisclosed_recipients_header
};

class HeaderBlock {
 public:
  struct Rules {
    std::size_t field_limit = 102'400;   // header_size_limit
    std::vector<std::string> dropped;    // message_drop_headers
    std::size_t address_limit = 10'240;  // addresses looked at in one header
  };

  // `content` begins the message; fields are copied out of it.
  HeaderBlock(std::string_view content, const Rules& rules);

  // Where the body begins in that content, the blank line passed.
  std::size_t body_offset() const { return body_offset_; }
  std::size_t hops() const { return hops_; }  // Received: fields
  bool has_8bit() const { return has_8bit_; }
  // "message-id=<…>" or "resent-message-id=<…>" for the log; "" when there is none.
  std::string message_id_line() const;

  // The addresses of all address headers. Rewrite their texts, then give them to replace().
  std::vector<HeaderAddress> addresses() const;
  // Headers whose addresses did not change keep every byte.
  void replace(const std::vector<HeaderAddress>& addresses);

  // Adds what is missing: Message-Id:, Date:, From:, and a To: for undisclosed recipients.
  void complete(const Completion& with);

  // Fields one by one, each ended by LF, for inspection; an empty text is a removed field.
  std::vector<std::string>& fields() { return parts_; }
  std::string text() const;  // all of it, without the blank line

 private:
  bool missing(std::uint32_t what) const { return (seen_ & what) == 0; }
  void note(std::string_view name, std::string_view body);

  std::vector<std::string> parts_;
  std::size_t body_offset_ = 0;
  std::size_t address_limit_;
  std::size_t hops_ = 0;
  bool has_8bit_ = false;
  bool resent_ = false;
  std::uint32_t seen_ = 0;
  std::string message_id_, resent_message_id_;
};

}  // namespace postrider::cleanup
