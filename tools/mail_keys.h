// The lookup keys that header_checks and body_checks would make from a message: `prmap -b -h -m -q -`.
//
// Line by line, without keeping more than one header. The message may be a stranger's.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"

namespace postrider::tools {

class MailKeys {
 public:
  using Ask = std::function<Result<>(std::string_view key)>;

  // `mime`: headers of parts and of attached messages are headers, and no body lines.
  MailKeys(bool headers, bool bodies, bool mime) : headers_(headers), bodies_(bodies), mime_(mime) {}

  // One line without its newline; asks what became complete by it.
  Result<> line(std::string_view text, const Ask& ask);
  Result<> end(const Ask& ask);

 private:
  Result<> flush_header(const Ask& ask);
  bool at_boundary(std::string_view text);

  const bool headers_;
  const bool bodies_;
  const bool mime_;
  bool in_headers_ = true;
  std::string header_;                   // under way, with its continuation lines
  std::vector<std::string> boundaries_;  // open multiparts, outermost first
  bool attached_message_ = false;        // this part's body begins with a message's header
};

}  // namespace postrider::tools
