// The mbox separator and its quoting, for local delivery and for tools.
#pragma once

#include <string>
#include <string_view>

#include "lib/address/address.h"
#include "lib/base/clock.h"
#include "lib/message/date.h"

namespace postrider::message {

// "From sender  Mon Jan  1 00:00:00 2024\n". The null sender is MAILER-DAEMON; blanks and control characters
// of a quoted local part become '_', so the line has its three parts for every reader.
std::string mbox_separator(const address::Address& sender, WallTime time, const Zone& zone);

// Puts '>' before every line that begins "From ", in LF content cut anywhere.
class MboxQuoter {
 public:
  void feed(std::string_view content, std::string& out);
  // What is still held back, a missing last LF, and the blank line that ends a message in an mbox.
  void finish(std::string& out);

 private:
  bool line_start_ = true;
  std::string held_;  // the beginning of a line that may become "From "
};

}  // namespace postrider::message
