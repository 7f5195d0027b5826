// Users in a text file, as Dovecot's passwd-file:
//
//   user:password:uid:gid:gecos:home:shell:extra
//
// Later fields may be missing; `extra` is blank-separated name=value: userdb_uid, userdb_gid, userdb_home,
// userdb_mail, allow_nets, nologin. Empty lines and lines with '#' in front are skipped. A password
// without {SCHEME} is crypt(3)'s. User names are compared without regard to case.
//
// The file is read when it is opened and again when it changed, if that is still permitted; whoever
// looks up sees the old or the new content as a whole.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/os/files.h"
#include "lib/sasl/user_database.h"

namespace postrider::sasl {

// The users of a text. A line that makes no sense is left out and told in `complaints` by its number.
StringMap<UserEntry> parse_passwd_file(std::string_view text, std::vector<std::string>& complaints);

class PasswdFile final : public UserDatabase {
 public:
  // Fails when the file cannot be read: not_found, access, temporary. All three outlive the database.
  static Result<std::unique_ptr<PasswdFile>> open(os::Files& files, const Clock& clock, Log& log,
                                                  std::string path);

  std::string_view label() const override { return "passwd-file"; }
  Result<std::optional<UserEntry>> find(const std::string& name) override;
  Verdict check(const UserEntry& user, std::string_view password, std::string& explanation) override;
  std::string typical_password() override;

 private:
  using Users = StringMap<UserEntry>;
  PasswdFile(os::Files& files, const Clock& clock, Log& log, std::string path);
  Result<> read();
  std::shared_ptr<const Users> current();

  os::Files& files_;
  const Clock& clock_;
  Log& log_;
  const std::string path_;
  std::mutex mutex_;
  std::shared_ptr<const Users> users_;  // shared with look-ups under way while it is replaced
  std::uint64_t inode_ = 0;
  WallTime modified_{};
  std::uint64_t size_ = 0;
  MonoTime looked_{};
  bool complained_ = false;
};

}  // namespace postrider::sasl
