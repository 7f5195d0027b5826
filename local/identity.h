// Whose rights a delivery has. Never root's: see Crew.
#pragma once

#include <compare>
#include <optional>

#include <sys/types.h>

namespace postrider::local {

struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::optional<gid_t> spool_group;  // of a mail spool that is writable for its group only

  auto operator<=>(const Identity&) const = default;
};

}  // namespace postrider::local
