#include "lib/os/credentials.h"

#include <cap-ng.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include <fmt/core.h>

#include "lib/base/text.h"

namespace postrider::os {
namespace {

constexpr std::size_t most_entry_bytes = 1 << 20;

// The *_r functions ask for a larger buffer with ERANGE. nullopt: no such entry.
template <class Entry, class Ask>
Result<std::optional<Entry>> look_up(const char* what, std::string& buffer, Ask ask) {
  buffer.resize(2048);
  while (true) {
    Entry entry{};
    Entry* found = nullptr;
    const int status = ask(&entry, buffer.data(), buffer.size(), &found);
    if (status == EINTR) continue;
    if (status == ERANGE && buffer.size() < most_entry_bytes) {
      buffer.resize(buffer.size() * 2);
      continue;
    }
    if (found != nullptr) return entry;
    // Some databases say "not found" with these. What getpwnam(3) lists beyond them (EBADF, EPERM) is
    // trouble: mail for a user must not bounce because the database could not be opened.
    if (status == 0 || status == ENOENT || status == ESRCH) return std::nullopt;
    return fail(Trouble::temporary, Error::from_errno(status, what).text(), status);
  }
}

std::string text_of(const char* text) { return text == nullptr ? std::string() : std::string(text); }

// passwd(5): the full name ends at the first comma, and '&' stands for the capitalised login name.
std::string full_name(const char* gecos, const std::string& login) {
  std::string name;
  for (const char c : text_of(gecos)) {
    if (c == ',') break;
    if (c != '&') {
      name.push_back(c);
    } else if (!login.empty()) {
      name.push_back(to_upper(login.front()));
      name.append(login, 1);
    }
  }
  return name;
}

Result<std::optional<User>> to_user(const Result<std::optional<passwd>>& entry) {
  if (!entry) return fail(entry.error());
  if (!entry->has_value()) return std::nullopt;
  const passwd& from = **entry;
  User user;
  user.name = text_of(from.pw_name);
  user.uid = from.pw_uid;
  user.gid = from.pw_gid;
  user.gecos = full_name(from.pw_gecos, user.name);
  user.home = text_of(from.pw_dir);
  user.shell = text_of(from.pw_shell);
  return user;
}

bool is_exactly(uid_t uid, gid_t gid) {
  uid_t ru = 0, eu = 0, su = 0;
  gid_t rg = 0, eg = 0, sg = 0;
  if (::getresuid(&ru, &eu, &su) < 0 || ::getresgid(&rg, &eg, &sg) < 0) return false;
  return ru == uid && eu == uid && su == uid && rg == gid && eg == gid && sg == gid;
}

}  // namespace

Result<std::optional<User>> find_user(const std::string& name) {
  std::string buffer;
  return to_user(
      look_up<passwd>("user database", buffer, [&](auto* entry, char* at, std::size_t size, auto** found) {
        return ::getpwnam_r(name.c_str(), entry, at, size, found);
      }));
}

Result<std::optional<User>> find_user(uid_t uid) {
  std::string buffer;
  return to_user(
      look_up<passwd>("user database", buffer, [&](auto* entry, char* at, std::size_t size, auto** found) {
        return ::getpwuid_r(uid, entry, at, size, found);
      }));
}

Result<std::optional<gid_t>> find_group(const std::string& name) {
  std::string buffer;
  const auto entry =
      look_up<group>("group database", buffer, [&](auto* at_entry, char* at, std::size_t size, auto** found) {
        return ::getgrnam_r(name.c_str(), at_entry, at, size, found);
      });
  if (!entry) return fail(entry.error());
  if (!entry->has_value()) return std::nullopt;
  return (*entry)->gr_gid;
}

bool running_as_root() { return ::geteuid() == 0; }

Result<> become(uid_t uid, gid_t gid, const std::vector<gid_t>& supplementary) {
  if (running_as_root()) {
    if (::setgroups(supplementary.size(), supplementary.data()) < 0) return fail_errno("setgroups");
    if (::setresgid(gid, gid, gid) < 0) return fail_errno(fmt::format("setresgid {}", gid));
    if (::setresuid(uid, uid, uid) < 0) return fail_errno(fmt::format("setresuid {}", uid));
  }
  if (!is_exactly(uid, gid)) {
    return fail(Error::from_errno(
        EPERM, fmt::format("becoming uid {} gid {} from uid {} gid {}", uid, gid, ::geteuid(), ::getegid())));
  }
  if (uid != 0) {
    // The kernel clears what root had; this clears what an ambient set or the file granted.
    (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    capng_clear(CAPNG_SELECT_CAPS);
    if (capng_apply(CAPNG_SELECT_CAPS) < 0) return fail(Trouble::access, "cannot give up capabilities");
    if (::setresuid(0, 0, 0) == 0) return fail(Trouble::permanent, "privileges could be taken back");
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return fail_errno("no_new_privs");
  return {};
}

Result<ActingAs> ActingAs::begin(uid_t uid, gid_t gid) {
  ActingAs acting;
  if (!running_as_root()) {
    if (uid == ::geteuid() && gid == ::getegid()) return acting;
    return fail(Error::from_errno(EPERM, fmt::format("acting as uid {} gid {}", uid, gid)));
  }
  acting.gid_ = ::getegid();
  const int count = ::getgroups(0, nullptr);
  if (count < 0) return fail_errno("getgroups");
  acting.groups_.resize(static_cast<std::size_t>(count));
  if (count > 0 && ::getgroups(count, acting.groups_.data()) < 0) return fail_errno("getgroups");
  acting.active_ = true;  // from here on the destructor returns to root, whatever fails
  if (::setgroups(1, &gid) < 0) return fail_errno("setgroups");
  if (::setegid(gid) < 0) return fail_errno(fmt::format("setegid {}", gid));
  if (::seteuid(uid) < 0) return fail_errno(fmt::format("seteuid {}", uid));
  if (::geteuid() != uid || ::getegid() != gid) return fail(Trouble::access, "identity did not change");
  return acting;
}

ActingAs::ActingAs(ActingAs&& other) noexcept
    : active_(std::exchange(other.active_, false)), gid_(other.gid_), groups_(std::move(other.groups_)) {}

ActingAs::~ActingAs() {
  if (!active_) return;
  // Going on with the wrong identity would write one user's mail as another.
  if (::seteuid(0) < 0 || ::setegid(gid_) < 0 || ::setgroups(groups_.size(), groups_.data()) < 0 ||
      ::geteuid() != 0 || ::getegid() != gid_) {
    std::abort();
  }
}

}  // namespace postrider::os
