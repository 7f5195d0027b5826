// libc's account lookups for programs without shared libraries: libc.a would load the modules that
// nsswitch.conf(5) names, and with them a second libc. These definitions stand before libc's.
#include "tools/local_accounts.h"

namespace tools = postrider::tools;

extern "C" int getpwnam_r(const char* name, passwd* entry, char* buffer, std::size_t size, passwd** found) {
  return tools::find_account({}, std::string_view(name), entry, {buffer, size}, found);
}

extern "C" int getpwuid_r(uid_t uid, passwd* entry, char* buffer, std::size_t size, passwd** found) {
  return tools::find_account({}, uid, entry, {buffer, size}, found);
}

extern "C" int getgrnam_r(const char* name, group* entry, char* buffer, std::size_t size, group** found) {
  return tools::find_group({}, name, entry, {buffer, size}, found);
}
