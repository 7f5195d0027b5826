// Child processes: spawning with an exact set of descriptors, environment and limits.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "lib/base/error.h"
#include "lib/os/fd.h"

namespace postrider::os {

struct Spawn {
  std::string program;                   // absolute path
  std::vector<std::string> arguments;    // argv[0] first
  std::vector<std::string> environment;  // NAME=value, the child's whole environment
  std::vector<std::pair<int, int>>
      descriptors;           // (ours, number in the child); the child has no others but 0-2
  std::string directory;     // working directory; empty: ours
  std::optional<uid_t> uid;  // identity before exec, with gid and no groups but these
  std::optional<gid_t> gid;
  std::vector<gid_t> groups;
  bool new_session = false;     // own process group, for killing a whole command
  bool die_with_parent = true;  // SIGKILL when the spawner dies (PR_SET_PDEATHSIG)
};

// For the first line of a command: opens /dev/null where descriptors 0 to 2 are closed, so that no file which
// is opened later becomes somebody's standard output. False when that cannot be done.
bool open_standard_streams();

// Descriptors 0-2 are /dev/null unless mapped. An exec that fails is reported here, not as a child.
Result<pid_t> spawn(const Spawn& what);

struct ChildEnd {
  pid_t pid = 0;
  int exit_status = 0;  // when not signalled
  int signal = 0;       // 0: ended by itself
};

// In a child after fork: closes every descriptor from 3 on that is not in `keep`.
void close_all_but(std::vector<int> keep);

// One child that ended, without waiting; nullopt when none has.
std::optional<ChildEnd> reap();
Result<ChildEnd> wait_for(pid_t pid);  // blocks

}  // namespace postrider::os
