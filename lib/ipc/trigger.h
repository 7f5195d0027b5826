// Waking a service that waits for single-byte triggers: public/pickup, public/qmgr.
#pragma once

#include <string>

#include "lib/base/error.h"

namespace postrider::ipc {

// Sends one byte to the FIFO or socket at `path`, without waiting. A FIFO that is full has enough
// wake-ups in it already. Errors: nobody is there (temporary), no leave to (access).
Result<> trigger(const std::string& path, char request);

}  // namespace postrider::ipc
