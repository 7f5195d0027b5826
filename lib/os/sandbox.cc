#include "lib/os/sandbox.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fmt/core.h>

#include "lib/os/system_call_filter.h"

namespace postrider::os {

Result<> enter_chroot(const std::string& directory) {
  if (::chdir(directory.c_str()) < 0) return fail_errno(fmt::format("chdir {}", directory));
  if (::chroot(".") < 0) return fail_errno(fmt::format("chroot {}", directory));
  if (::chdir("/") < 0) return fail_errno("chdir /");
  return {};
}

Result<> restrict_system_calls(const std::vector<Allow>& allowed) {
  const auto filter = SystemCallFilter::make(allowed);
  if (!filter) return fail(filter.error());
  return filter->install();
}

Result<> forbid_dumps_and_privileges() {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) < 0) return fail_errno("core size limit");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return fail_errno("not dumpable");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return fail_errno("no_new_privs");
  return {};
}

}  // namespace postrider::os
