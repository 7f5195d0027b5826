#include "tools/installation.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include <fmt/core.h>

#include "lib/os/credentials.h"

namespace postrider::tools {

using os::FileStatus;

namespace {

// Names in the manifest and the parameters that say what they are called here.
constexpr std::string_view manifest_owner = "postrider";
constexpr std::string_view manifest_network = "prnet";
constexpr std::string_view manifest_keys = "prkeys";
constexpr std::string_view manifest_drop = "prdrop";

std::string octal(mode_t mode) { return fmt::format("{:04o}", mode); }

bool is_ours(const ManifestEntry& entry) { return entry.kind == "dir" || entry.kind == "program"; }

}  // namespace

std::string Installation::owner_name(const std::string& name) const {
  if (name == manifest_owner) return paths_->mail_owner();
  if (name == manifest_network) return paths_->network_owner();
  if (name == manifest_keys) return paths_->keys_owner();
  return name;
}

std::string Installation::group_name(const std::string& name) const {
  return name == manifest_drop ? paths_->setgid_group() : owner_name(name);
}

std::optional<uid_t> Installation::uid_of(const std::string& name) const {
  if (!as_root_) return std::nullopt;
  const auto user = os::find_user(owner_name(name));
  if (!user || !*user) return std::nullopt;
  return (*user)->uid;
}

std::optional<gid_t> Installation::gid_of(const std::string& name) const {
  if (!as_root_) return std::nullopt;
  if (name != manifest_drop && name != "root") {
    // The account's own group, whatever it is called.
    const auto user = os::find_user(owner_name(name));
    if (user && *user) return (*user)->gid;
  }
  const auto group = os::find_group(group_name(name));
  if (!group) return std::nullopt;
  return *group;
}

void Installation::look_up_accounts() {
  if (!as_root_) return;
  struct Account {
    const char* parameter;
    const std::string& name;
  };
  const Account accounts[] = {{"mail_owner", paths_->mail_owner()},
                              {"network_owner", paths_->network_owner()},
                              {"keys_owner", paths_->keys_owner()}};
  std::vector<std::pair<uid_t, const char*>> seen;
  for (const Account& account : accounts) {
    const auto user = os::find_user(account.name);
    if (!user) {
      account_findings_.push_back({true, user.error().within(account.parameter).text(), ""});
    } else if (!*user) {
      account_findings_.push_back(
          {true, fmt::format("parameter {}: unknown user: {}", account.parameter, account.name),
           fmt::format("useradd --system --user-group --no-create-home --home-dir /nonexistent --shell "
                       "/usr/sbin/nologin {}",
                       account.name)});
    } else if ((*user)->uid == 0) {
      account_findings_.push_back(
          {true, fmt::format("parameter {}: file owner {} is root", account.parameter, account.name), ""});
    } else {
      for (const auto& [uid, other] : seen) {
        if (uid != (*user)->uid) continue;
        account_findings_.push_back(
            {true,
             fmt::format("parameters {} and {} name the same user ID {}", other, account.parameter, uid),
             ""});
      }
      seen.emplace_back((*user)->uid, account.parameter);
    }
  }
  const auto group = os::find_group(paths_->setgid_group());
  if (group && !*group) {
    account_findings_.push_back(
        {true, fmt::format("parameter setgid_group: unknown group: {}", paths_->setgid_group()),
         fmt::format("groupadd --system {}", paths_->setgid_group())});
  }
  const auto privs = os::find_user(paths_->default_privs());
  if (privs && *privs && ((*privs)->uid == 0 || (*privs)->name == paths_->mail_owner())) {
    account_findings_.push_back(
        {true,
         fmt::format("parameter default_privs: user {} has privileged user ID", paths_->default_privs()),
         ""});
  }
}

Result<Installation> Installation::open(os::Files& files, const config::Values& values,
                                        const config::Paths& paths) {
  Installation made(files, paths);
  made.as_root_ = os::running_as_root();
  auto manifest = Manifest::load(files, paths.daemon_directory());
  if (!manifest) return fail(manifest.error());
  made.manifest_ = std::move(*manifest);
  made.look_up_accounts();
  for (const ManifestEntry& entry : made.manifest_.entries()) {
    if (entry.kind == "link" || entry.kind == "man") continue;
    auto path = place_of(entry, values);
    if (!path) continue;
    made.places_.push_back({&entry, std::move(*path), made.uid_of(entry.owner), made.gid_of(entry.group),
                            made.owner_name(entry.owner), made.group_name(entry.group)});
  }
  return made;
}

Result<std::vector<Finding>> Installation::inspect() const {
  std::vector<Finding> findings = account_findings_;
  for (const Place& place : places_) inspect_place(place, findings);
  inspect_corrupt(findings);
  return findings;
}

void Installation::inspect_place(const Place& place, std::vector<Finding>& findings) const {
  const ManifestEntry& entry = *place.entry;
  if (entry.kind == "conf") return inspect_configuration(place.path, findings);
  if (!is_ours(entry)) return;
  const auto status = files_->lstat(place.path);
  if (!status) {
    if (!status.error().is(Trouble::not_found)) {
      findings.push_back({true, status.error().text(), ""});
    } else if (entry.kind == "dir") {
      findings.push_back({false, fmt::format("missing directory: {}", place.path),
                          fmt::format("install -d -o {} -g {} -m {} {}", place.owner, place.group,
                                      octal(entry.mode), place.path)});
    }
    return;  // a program that is not installed is missed when master.cf names it
  }
  const auto wanted = entry.kind == "dir" ? FileStatus::Kind::directory : FileStatus::Kind::regular;
  if (status->kind != wanted) {
    const bool link = status->kind == FileStatus::Kind::symlink;
    // A directory may be moved to another disk and linked, as long as it is root who says so.
    if (link && entry.kind == "dir" && status->uid == 0) return;
    findings.push_back(
        {true, fmt::format("not a {}: {}", entry.kind == "dir" ? "directory" : "regular file", place.path),
         ""});
    return;
  }
  if (place.uid && status->uid != *place.uid) {
    findings.push_back({false, fmt::format("not owned by {}: {}", place.owner, place.path),
                        fmt::format("chown {} {}", place.owner, place.path)});
  }
  const bool group_matters = (entry.mode & 02070) != 0 && place.group != "root";
  if (place.gid && group_matters && status->gid != *place.gid) {
    findings.push_back({false, fmt::format("not owned by group {}: {}", place.group, place.path),
                        fmt::format("chgrp {} {}", place.group, place.path)});
  }
  if (!as_root_) {
    // Without root there are no other accounts to share with: only strangers matter.
    if ((status->mode & 0022 & ~entry.mode) == 0) return;
  } else if (status->mode == entry.mode) {
    return;
  }
  const mode_t excess = status->mode & ~entry.mode;
  const std::string mend = fmt::format("chmod {} {}", octal(entry.mode), place.path);
  if ((excess & 0022) != 0) {
    findings.push_back({false, fmt::format("group or other writable: {}", place.path), mend});
  } else {
    findings.push_back(
        {false,
         fmt::format("mode is {} instead of {}: {}", octal(status->mode), octal(entry.mode), place.path),
         mend});
  }
}

void Installation::inspect_configuration(const std::string& path, std::vector<Finding>& findings) const {
  const auto status = files_->stat(path);
  if (!status) return;  // main.cf and master.cf were read before; others are the administrator's choice
  if (as_root_ && status->uid != 0) {
    findings.push_back(
        {false, fmt::format("not owned by root: {}", path), fmt::format("chown root {}", path)});
  }
  if ((status->mode & 0022) != 0) {
    findings.push_back(
        {false, fmt::format("group or other writable: {}", path), fmt::format("chmod go-w {}", path)});
  }
}

void Installation::inspect_corrupt(std::vector<Finding>& findings) const {
  const std::string directory = paths_->queue_directory() + "/corrupt";
  (void)files_->list(directory, [&](std::string_view name) {
    findings.push_back({false, fmt::format("damaged message: corrupt/{}", name),
                        fmt::format("prcat {}/{}; then prsuper -d or mend it", directory, name)});
    return findings.size() < 1000;
  });
}

Result<bool> Installation::restore(const Place& place) const {
  const ManifestEntry& entry = *place.entry;
  const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | (entry.kind == "dir" ? O_DIRECTORY : 0);
  const auto fd = files_->open(place.path, flags);
  if (!fd) return fail(fd.error());
  const auto status = files_->fstat(fd->get());
  if (!status) return fail(status.error());
  bool changed = false;
  const bool owner = place.uid && place.gid && (status->uid != *place.uid || status->gid != *place.gid);
  if (owner) {
    if (auto done = files_->chown(fd->get(), *place.uid, *place.gid); !done) return fail(done.error());
    changed = true;
  }
  if (owner || status->mode != entry.mode) {  // a change of owner takes set-gid away
    if (auto done = files_->chmod(fd->get(), entry.mode); !done) return fail(done.error());
    changed = true;
  }
  return changed;
}

Result<std::vector<std::string>> Installation::make_missing() const {
  std::vector<std::string> made;
  for (const Place& place : places_) {
    if (place.entry->kind != "dir") continue;
    const std::string& path = place.path;
    if (!path.starts_with(paths_->queue_directory()) && path != paths_->data_directory()) continue;
    if (const auto status = files_->stat(path); status || !status.error().is(Trouble::not_found)) continue;
    const std::string parent = path.substr(0, path.rfind('/'));
    if (auto done = os::make_directories(*files_, parent, 0755); !done) return fail(done.error());
    if (auto done = files_->mkdir(path, 0700); !done) return fail(done.error());
    if (auto done = restore(place); !done) return fail(done.error());
    made.push_back(path);
  }
  return made;
}

Result<std::vector<std::string>> Installation::set_permissions() const {
  std::vector<std::string> changed;
  for (const Place& place : places_) {
    if (!is_ours(*place.entry) && place.entry->kind != "conf") continue;
    const auto done = restore(place);
    if (!done && !done.error().is(Trouble::not_found)) return fail(done.error());
    if (done && *done) changed.push_back(place.path);
  }
  return changed;
}

}  // namespace postrider::tools
