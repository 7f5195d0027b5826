// A process's wall of system calls: made once by whoever starts many processes of a kind, closed in each of
// them. What each Allow means is in lib/os/sandbox.h.
#pragma once

#include <cstddef>
#include <vector>

#include <linux/filter.h>

#include "lib/base/error.h"
#include "lib/os/sandbox.h"

namespace postrider::os {

class SystemCallFilter {
 public:
  // Puts the filter together, which takes about as long as starting a process does.
  static Result<SystemCallFilter> make(const std::vector<Allow>& allowed);

  // Closes the wall around the calling process, all its threads: the one place to do so. Fails (temporary)
  // on kernels without seccomp. no_new_privs must be set.
  Result<> install() const;

 private:
  std::vector<sock_filter> program_;
  std::vector<std::size_t> own_pid_;  // instructions that compare with the process's own id
};

}  // namespace postrider::os
