// The walls a daemon puts around itself once it holds what it needs. Order: chroot, become() the
// user, then seccomp; there is no way back. Shown by `postrider check` and in doc/trust.md.
#pragma once

#include <string>
#include <vector>

#include "lib/base/error.h"

namespace postrider::os {

// What a process may still ask of the kernel after its sandbox is closed. Everything not named is
// refused with EPERM; execve, ptrace, mount, kernel modules, keyrings, bpf and personality kill the process.
enum class Allow {
  descriptors,   // read, write, close, poll, epoll, memory, clocks, signals to self, exit: always needed
  accept,        // accept4, getpeername, SO_PEERCRED, descriptors passed over sockets
  connect_unix,  // socket(AF_UNIX), connect
  listen_unix,   // socket(AF_UNIX), bind, listen
  connect_inet,  // socket(AF_INET, AF_INET6), connect, bind
  files,         // open, rename, link, unlink, fsync, … (ordinary permissions still hold);
                 // with accept and connect_unix also bind and listen
  threads,       // clone for threads, futex
};

// Enters `directory` as the new root. Needs CAP_SYS_CHROOT.
Result<> enter_chroot(const std::string& directory);

// Installs the filter. Fails (temporary) on kernels without seccomp, where callers log one warning.
Result<> restrict_system_calls(const std::vector<Allow>& allowed);

// Largest core size 0, not dumpable, no_new_privs.
Result<> forbid_dumps_and_privileges();

}  // namespace postrider::os
