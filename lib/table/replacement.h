// A file being made beside the one it will replace. Shared by the writers of all database types.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "lib/os/fd.h"
#include "lib/table/table.h"

namespace postrider::table {

class Replacement {
 public:
  // Chooses a name for the temporary file; nothing is created yet. Refuses (access) to work in a
  // directory where somebody else could swap the file: with root's rights, one that belongs to
  // another user or is writable for all without the sticky bit.
  static Result<Replacement> begin(std::string target, const Context& context);
  // The same with a copy of the target in the temporary file, and the target locked until the end.
  // not_found when there is no target.
  static Result<Replacement> begin_from_current(std::string target, const Context& context);

  Replacement(Replacement&& other) noexcept;
  Replacement& operator=(Replacement&&) = delete;
  ~Replacement();  // removes the temporary file unless committed

  // Owner and group of the file that is replaced (where we may), mode, fsync, rename, fsync of the
  // directory.
  Result<> commit(unsigned mode);

  const std::string& temporary() const { return temporary_; }
  const std::string& target() const { return target_; }
  // Permissions of the target that is being replaced, where there was one.
  std::optional<unsigned> mode() const { return mode_; }

 private:
  Replacement(std::string target, os::Files& files);

  os::Files* files_;
  std::string target_;
  std::string temporary_;
  std::optional<unsigned> mode_;
  std::optional<std::pair<unsigned, unsigned>> owner_;  // uid and gid of the target
  os::Fd locked_;
};

}  // namespace postrider::table
