// Standard input of sendmail(1) on its way to content: From_ lines at the start are dropped, lines end in LF,
// a lone dot may end the message. Fed in pieces of any size; pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "lib/base/error.h"
#include "lib/queue/envelope.h"

namespace postrider::tools {

enum class LineEndings { always, strict, never };  // sendmail_fix_line_endings

class SendmailInput {
 public:
  SendmailInput(LineEndings endings, bool dot_is_data)
      : endings_(endings), dot_is_data_(dot_is_data), strip_(endings != LineEndings::never) {}

  // Appends content to `out`. True when a lone dot ended the message; what follows it is not looked at.
  bool feed(std::string_view bytes, std::string& out);
  // At the end of input: what was held back, and a last LF.
  void finish(std::string& out);

 private:
  bool line(std::string_view text, bool complete, std::string& out);

  LineEndings endings_;
  bool dot_is_data_;
  bool first_line_ = true;  // nothing but From_ lines so far
  bool middle_ = false;     // the beginning of this line was passed on already
  bool held_cr_ = false;    // and it ended in a CR that may be half of a line end
  bool strip_;              // CR before LF is dropped
  bool decided_ = false;
  bool open_ = false;
  std::string partial_;
};

// sendmail -t: adds the recipients of To:, Cc: and Bcc:, or of their Resent- forms when there are any, to the
// envelope. `header` is the message's header block. permanent: more than fit into one envelope.
Result<> extract_recipients(std::string_view header, std::uint8_t notify, queue::Envelope& envelope);

// The addresses of one operand, which may be a list with commas.
void add_recipients(std::string_view text, std::uint8_t notify, queue::Envelope& envelope);

// -f: "<a@b>", "a@b", "Name <a@b>", "<>" or "". Internal form.
std::string sender_address(std::string_view text);

}  // namespace postrider::tools
