// From parameters to the rules that notices are made by.
#pragma once

#include "bounce/config.h"
#include "bounce/notice.h"
#include "lib/base/error.h"
#include "lib/os/files.h"

namespace postrider::bounce {

// Reads the file that myorigin may name, so before the sandbox. configuration when it cannot be read.
Result<Rules> make_rules(const BounceConfig& config, const config::Identity& identity, os::Files& files);

}  // namespace postrider::bounce
