#include "lib/table/database_file.h"

#include <system_error>

#include <fmt/format.h>

#include "lib/base/log.h"
#include "lib/os/files.h"

namespace postrider::table {

std::string_view without_nul(std::string_view stored) { return stored.substr(0, stored.find('\0')); }

std::string reason(const Error& error) {
  return error.os_error() != 0 ? std::generic_category().message(error.os_error()) : error.text();
}

DatabaseTable::DatabaseTable(std::string type, std::string name, std::string file, const Context& context)
    : Table(type + ":" + name, {.pattern = false, .fold = true}, context),
      source_(std::move(name)),
      file_(std::move(file)) {}

Result<> DatabaseTable::start() {
  open_ = false;
  nul_terminated_ = false;
  close_database();
  const auto failed = [&](const Error& error) {
    return fail(error.trouble(), fmt::format("open database {}: {}", file_, reason(error)), error.os_error());
  };
  const Result<os::FileStatus> status = context_.files.stat(file_);
  if (!status) return failed(status.error());
  if (status->kind != os::FileStatus::Kind::regular)
    return fail(Trouble::configuration, fmt::format("open database {}: not a regular file", file_));
  const Result<FileIdentity> before = identify(context_.files, file_);
  if (!before) return failed(before.error());
  if (const Result<> opened = open_database(); !opened) return failed(opened.error());
  // If the file is replaced between the two, the older identity makes the next lookup open again.
  opened_ = *before;
  open_ = true;
  const Result<os::FileStatus> source = context_.files.stat(source_);
  if (source && std::chrono::floor<Seconds>(source->modified) > std::chrono::floor<Seconds>(opened_.modified))
    context_.log.warning("database {} is older than source file {}", file_, source_);
  return {};
}

Result<> DatabaseTable::refresh() {
  const Result<FileIdentity> now = identify(context_.files, file_);
  if (open_ && now && *now == opened_) return {};
  return start();
}

Result<std::optional<std::string>> DatabaseTable::find(std::string_view key) {
  if (const Result<> ready = refresh(); !ready)
    return fail(Trouble::temporary, ready.error().text(), ready.error().os_error());
  Result<std::optional<std::string>> found = get(std::string(key) + '\0');
  if (found && *found) nul_terminated_ = true;
  // Whoever wrote the table did so with or without terminators; try the other form until one is seen.
  if (found && !*found && !nul_terminated_) found = get(key);
  if (!found) {
    // Start afresh next time: the handle may be in trouble, not the file.
    open_ = false;
    return fail(Trouble::temporary, fmt::format("{} lookup error: {}", file_, reason(found.error())),
                found.error().os_error());
  }
  if (*found) (*found)->resize(without_nul(**found).size());
  return found;
}

}  // namespace postrider::table
