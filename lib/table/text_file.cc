#include "lib/table/text_file.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "lib/base/log.h"
#include "lib/os/files.h"
#include "lib/table/database_file.h"
#include "lib/table/source.h"

namespace postrider::table {

namespace {

// Within this time of a file's last change a second change may carry the same time stamp.
constexpr Seconds time_stamp_slack{2};

FileIdentity identity_of(const os::FileStatus& status) {
  return {status.device, status.inode, status.size, status.modified};
}

// The content and which state of the file it is; a file that changes under the reader is read again.
Result<std::string> read_steady(os::Files& files, const std::string& path, FileIdentity& identity) {
  constexpr int attempts = 5;
  std::string content;
  for (int i = 0; i < attempts; ++i) {
    const Result<os::Fd> fd = files.open(path, O_RDONLY);
    if (!fd) return fail(fd.error());
    const Result<os::FileStatus> before = files.fstat(fd->get());
    if (!before) return fail(before.error());
    if (before->kind == os::FileStatus::Kind::directory)
      return fail(Trouble::configuration, fmt::format("{}: is a directory", path));
    if (before->size > max_source_file)
      return fail(Trouble::configuration, fmt::format("{}: larger than {} bytes", path, max_source_file));
    content.clear();
    std::string block(64 * 1024, '\0');
    while (true) {
      const Result<std::size_t> got = files.read(fd->get(), block);
      if (!got) return fail(got.error());
      if (*got == 0) break;
      if (content.size() + *got > max_source_file)
        return fail(Trouble::configuration, fmt::format("{}: larger than {} bytes", path, max_source_file));
      content.append(block, 0, *got);
    }
    const Result<os::FileStatus> after = files.fstat(fd->get());
    if (!after) return fail(after.error());
    identity = identity_of(*after);
    if (identity_of(*before) == identity) return content;
  }
  return content;  // changing all the time; the next lookup sees that it changed again
}

}  // namespace

Result<FileIdentity> identify(os::Files& files, const std::string& path) {
  const Result<os::FileStatus> status = files.stat(path);
  if (!status) return fail(status.error());
  return identity_of(*status);
}

TextTable::TextTable(std::string type, std::string path, Traits traits, const Context& context)
    : Table(type + ":" + path, traits, context), path_(std::move(path)) {}

Result<> TextTable::start() {
  Result<std::string> content = read_steady(context_.files, path_, loaded_);
  if (!content) {
    loaded_ = {};
    state_ = fail(Error(content.error().trouble(),
                        fmt::format("open database {}: {}", path_, reason(content.error())),
                        content.error().os_error()));
    return state_;
  }
  loaded_at_ = context_.clock.wall();
  const auto age = loaded_at_ - loaded_.modified;
  hot_ = age < time_stamp_slack && age > -time_stamp_slack;
  state_ = load(*content);
  return state_;
}

Result<> TextTable::refresh() {
  const Result<FileIdentity> now = identify(context_.files, path_);
  const bool cooled = hot_ && context_.clock.wall() - loaded_at_ > time_stamp_slack;
  if (now && *now == loaded_ && !cooled) return state_;
  const Result<> loaded = start();
  if (!loaded) return loaded;
  if (cooled) hot_ = false;
  return {};
}

Result<std::optional<std::string>> TextTable::find(std::string_view key) {
  const Result<> ready = refresh();
  if (!ready) return fail(Trouble::temporary, ready.error().text(), ready.error().os_error());
  return find_loaded(key);
}

}  // namespace postrider::table
