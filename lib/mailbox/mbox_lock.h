// The locks that programs sharing an mbox file take, in the site's order.
#pragma once

#include <optional>
#include <string>

#include "lib/mailbox/dot_lock.h"
#include "lib/mailbox/mbox_delivery.h"

namespace postrider::mailbox {

// Held until destroyed; kernel locks live as long as the descriptor, which must outlive this.
class MboxLocks {
 public:
  // temporary: someone else has the file. `exclusive` is meant for kernel locks; a dot lock always is.
  static Result<MboxLocks> acquire(os::Files& files, const Clock& clock, const std::string& path, int fd,
                                   bool exclusive, const MboxOptions& options);

 private:
  std::optional<DotLock> dot_lock_;
};

}  // namespace postrider::mailbox
