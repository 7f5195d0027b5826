#include "lib/os/fd.h"

#include <fcntl.h>
#include <unistd.h>

namespace postrider::os {

void Fd::reset() {
  if (number_ >= 0) ::close(std::exchange(number_, -1));
}

Fd Fd::duplicate() const { return Fd(number_ < 0 ? -1 : ::fcntl(number_, F_DUPFD_CLOEXEC, 3)); }

}  // namespace postrider::os
