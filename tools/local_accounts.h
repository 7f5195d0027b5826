// Accounts without the dynamic linker: /etc/passwd and /etc/group first, then getent(1), which is asked for
// what only the other databases of nsswitch.conf(5) know.
//
// For sendmail and prdrop, which are linked statically; tools/static/accounts.cc puts these in libc's place.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <grp.h>
#include <pwd.h>

namespace postrider::tools {

// Where to look; tests have others.
struct AccountSources {
  std::string passwd = "/etc/passwd";
  std::string group = "/etc/group";
  std::string getent = "/usr/bin/getent";
};

// As getpwnam_r(3), getpwuid_r(3) and getgrnam_r(3): 0 with *found set, or null when there is no such
// entry; ERANGE when `buffer` is too small; EIO when the databases could not be asked.
int find_account(const AccountSources& sources, std::string_view name, passwd* entry, std::span<char> buffer,
                 passwd** found);
int find_account(const AccountSources& sources, uid_t uid, passwd* entry, std::span<char> buffer,
                 passwd** found);
int find_group(const AccountSources& sources, std::string_view name, group* entry, std::span<char> buffer,
               group** found);

}  // namespace postrider::tools
