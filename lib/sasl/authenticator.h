// Who a user is and whether a password is right, over all configured databases: the first that knows the
// user decides. Thread-safe; calls block for as long as a password hash takes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/sasl/user_database.h"

namespace postrider::sasl {

// Longer or stranger names exist nowhere: 1 to 255 bytes, no control characters.
bool is_user_name(std::string_view name);

// Defaults for what a database does not say of a user. %u the name, %n its part before '@', %d the domain.
struct UserDefaults {
  std::string realm;  // appended as @realm to names without a domain that are not known as they are
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::string home, mail;
};

// "%u", "%n", "%d" and "%%"; anything else stays.
std::string expand_user(std::string_view text, std::string_view user);

class Authenticator {
 public:
  Authenticator(Log& log, std::vector<std::unique_ptr<UserDatabase>> databases, UserDefaults defaults = {});

  struct Checked {
    Verdict verdict = Verdict::unknown_user;
    std::string user;    // as the database spells it; else as it was asked for
    std::string reason;  // for the log
  };
  // One password hash is computed whether or not the user exists. Refusals are logged in Dovecot's words.
  Checked check(std::string_view name, std::string_view password, std::string_view client_address);

  // The user as far as the databases know, without defaults; nullopt: unknown.
  Result<std::optional<UserEntry>> find(std::string_view name);

  // May this user come from there? (allow_nets, disabled)
  static bool admits(const UserEntry& user, std::string_view client_address);

  // With defaults filled in; for whoever opens the user's mailbox.
  UserEntry completed(UserEntry user) const;

  const UserDefaults& defaults() const { return defaults_; }
  std::size_t database_count() const { return databases_.size(); }

 private:
  struct Found {
    UserDatabase* database = nullptr;
    UserEntry user;
  };
  Result<std::optional<Found>> look_up(std::string_view name);

  Log& log_;
  std::vector<std::unique_ptr<UserDatabase>> databases_;
  UserDefaults defaults_;
};

}  // namespace postrider::sasl
