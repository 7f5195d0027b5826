#include "lib/mailbox/uid_validity.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include <fcntl.h>

#include <fmt/core.h>

#include "lib/base/text.h"

namespace postrider::mailbox {

namespace {

constexpr std::string_view file_name = "dovecot-uidvalidity";

std::string marker(const std::string& root, std::uint32_t value) {
  return fmt::format("{}/{}.{:08x}", root, file_name, value);
}

std::optional<std::uint32_t> parse_value(std::string_view digits) {
  if (digits.size() != 8) return std::nullopt;
  return parse_number<std::uint32_t>(digits, 16);
}

std::uint32_t after(std::uint32_t value) { return value + 1 == 0 ? 1 : value + 1; }

// The newest marker's value, 0 when there is none.
Result<std::uint32_t> newest_marker(os::Files& files, const std::string& root) {
  std::uint32_t newest = 0;
  const auto listed = files.list(root, [&](std::string_view name) {
    if (name.starts_with(file_name) && name.substr(file_name.size()).starts_with('.')) {
      newest = std::max(newest, parse_value(name.substr(file_name.size() + 1)).value_or(0));
    }
    return true;
  });
  if (!listed) return fail(listed.error());
  return newest;
}

// The first value of all: the time, as everyone does, so that it exceeds what an earlier life of the
// mailbox may have used.
Result<std::uint32_t> first_value(os::Files& files, const Clock& clock, const std::string& root) {
  const auto now = std::chrono::duration_cast<Seconds>(clock.wall().time_since_epoch()).count();
  const auto value = std::max(static_cast<std::uint32_t>(now), 1U);
  const auto made = files.open(marker(root, value), O_WRONLY | O_CREAT | O_NOFOLLOW, 0444);
  if (!made && made.error().os_error() != EACCES) return fail(made.error());
  return value;
}

}  // namespace

Result<std::uint32_t> next_uid_validity(os::Files& files, const Clock& clock, const std::string& root) {
  const std::string path = fmt::format("{}/{}", root, file_name);
  std::uint32_t current = 0;
  if (const auto cached = read_file(files, path, 8)) current = parse_value(*cached).value_or(0);

  std::uint32_t value = 0;
  for (int attempt = 0; attempt < 5 && value == 0; ++attempt) {
    if (current == 0) {
      const auto newest = newest_marker(files, root);
      if (!newest) return fail(newest.error());
      if (*newest == 0) {
        const auto first = first_value(files, clock, root);
        if (!first) return fail(first.error());
        value = *first;
        break;
      }
      current = *newest;
    }
    const auto renamed = files.rename(marker(root, current), marker(root, after(current)));
    if (renamed) {
      value = after(current);
    } else if (renamed.error().is(Trouble::not_found)) {
      current = 0;  // the cached value is old, or another process was faster
    } else {
      return fail(renamed.error());
    }
  }
  if (value == 0) return fail(Trouble::temporary, path + ": changed by another process again and again");

  // Only a cache: a failure costs the next caller a directory scan.
  const auto fd = files.open(path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
  if (fd) (void)files.pwrite(fd->get(), fmt::format("{:08x}", value), 0);
  return value;
}

}  // namespace postrider::mailbox
