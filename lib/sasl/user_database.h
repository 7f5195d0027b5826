// Where users and their passwords come from: one interface, one class per kind of database. Called
// from worker threads, several at a time; calls may block.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "lib/base/error.h"

namespace postrider::sasl {

struct UserEntry {
  std::string name;      // as the database spells it
  std::string password;  // as stored, see password_scheme.h; "" when the database does not show it
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::string home;
  std::string mail;                     // mail_location of this user; "": the configured one
  std::vector<std::string> allow_nets;  // networks that may log in; empty: all
  bool disabled = false;                // exists, but may not log in
};

enum class Verdict {
  match,
  mismatch,
  unknown_user,  // told apart from mismatch in the log only
  disabled,      // right password, but the user may not log in (now, or from there)
  temporary,     // could not be found out
};

class UserDatabase {
 public:
  virtual ~UserDatabase() = default;

  // For the log, as Dovecot names it: "passwd-file", "shadow", "pam".
  virtual std::string_view label() const = 0;

  // nullopt: no such user here. `name` is free of control characters and at most 255 bytes.
  virtual Result<std::optional<UserEntry>> find(const std::string& name) = 0;

  // Whether the user's password is `password`; takes as long for an unknown user as for a wrong
  // password. `explanation` is set for the log where more is known.
  virtual Verdict check(const UserEntry& user, std::string_view password, std::string& explanation) = 0;

  // A stored password that stands for the usual one here, to be verified in place of that of an unknown user.
  virtual std::string typical_password() = 0;
};

}  // namespace postrider::sasl
