// Users and groups, and becoming one. Lookups consult the system databases and may block.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "lib/base/error.h"

namespace postrider::os {

struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string gecos;  // full name up to the first comma, '&' expanded
  std::string home;
  std::string shell;
};

// nullopt: no such user; an error: the database could not be asked (temporary).
Result<std::optional<User>> find_user(const std::string& name);
Result<std::optional<User>> find_user(uid_t uid);
Result<std::optional<gid_t>> find_group(const std::string& name);

bool running_as_root();  // effective uid 0

// Gives up everything but this identity for the life of the process: supplementary groups, gid, uid,
// capabilities, and the way back (no_new_privs). Without root it succeeds only for one's own uid and
// gid, and supplementary groups stay.
Result<> become(uid_t uid, gid_t gid, const std::vector<gid_t>& supplementary = {});

// For agents that act for many users one after another: takes on the effective identity, and returns
// to root when destroyed. Without root it succeeds only for one's own identity. Process-wide, so only in
// single-threaded processes and never across an await. Reading it back is checked; failure to return aborts.
class ActingAs {
 public:
  static Result<ActingAs> begin(uid_t uid, gid_t gid);
  ActingAs(ActingAs&& other) noexcept;
  ActingAs& operator=(ActingAs&&) = delete;
  ~ActingAs();

 private:
  ActingAs() = default;
  bool active_ = false;
  gid_t gid_ = 0;              // to return to
  std::vector<gid_t> groups_;  // likewise
};

}  // namespace postrider::os
