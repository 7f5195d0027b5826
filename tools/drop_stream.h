// prdrop's half of a submission: reads the stream that sendmail writes, and nothing it says is believed
// beyond its caps.
#pragma once

#include <cstdint>
#include <string>

#include "lib/base/error.h"
#include "lib/os/files.h"
#include "lib/queue/maildrop.h"

namespace postrider::tools {

struct DropLimits {
  std::uint64_t content_bytes = 0;  // message_size_limit; 0: none
};

// Reads the envelope: the first piece. permanent: malformed, or the end came before it.
Result<queue::Envelope> read_drop_envelope(os::Files& files, int fd);

// Copies content up to the empty piece. permanent with EFBIG when it is over the limit, permanent when the
// stream ends early; what the writer says otherwise.
Result<> copy_drop_content(os::Files& files, int fd, queue::MaildropWriter& into, const DropLimits& limits);

}  // namespace postrider::tools
