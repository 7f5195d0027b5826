#include "lib/mailbox/maildir_size.h"

#include <string_view>
#include <vector>

#include <fcntl.h>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/mailbox/maildir_name.h"

namespace postrider::mailbox {

namespace {

constexpr std::size_t rewrite_above = 5120;
constexpr Seconds recount_after{15 * 60};

struct Parsed {
  MaildirSize size;
  std::size_t data_lines = 0;
  std::string limits;  // the first line
};

bool parse_limits(std::string_view line, MaildirSize& size) {
  for (const auto part : split_any(line, ",")) {
    const auto value = parse_number<std::uint64_t>(part.substr(0, part.size() - 1));
    if (!value) return false;
    if (part.back() == 'S') {
      size.bytes_limit = *value;
    } else if (part.back() == 'C') {
      size.count_limit = *value;
    } else {
      return false;
    }
  }
  return true;
}

std::optional<std::int64_t> signed_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  return parse_number<std::int64_t>(text);
}

// nullopt: not a quota file we understand; it then limits nothing and is left alone.
std::optional<Parsed> parse(std::string_view text) {
  Parsed parsed;
  auto lines = split(text, '\n');
  if (lines.empty() || !parse_limits(trim(lines[0]), parsed.size)) return std::nullopt;
  parsed.limits = trim(lines[0]);
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto numbers = split_any(lines[i], " \t");
    if (numbers.empty()) continue;
    const auto bytes = signed_number(numbers[0]);
    const auto count = numbers.size() > 1 ? signed_number(numbers[1]) : std::nullopt;
    if (!bytes || !count || __builtin_add_overflow(parsed.size.bytes, *bytes, &parsed.size.bytes) ||
        __builtin_add_overflow(parsed.size.count, *count, &parsed.size.count)) {
      parsed.data_lines = 1000;  // damaged: count anew
      continue;
    }
    ++parsed.data_lines;
  }
  return parsed;
}

Result<> count_directory(os::Files& files, const std::string& directory, MaildirSize& size) {
  const auto listed = files.list(directory, [&](std::string_view name) {
    if (name.starts_with('.')) return true;
    auto bytes = parse_maildir_name(name).size;
    if (!bytes) {
      const auto status = files.lstat(fmt::format("{}/{}", directory, name));
      if (status && status->kind == os::FileStatus::Kind::regular) bytes = status->size;
    }
    if (bytes) {
      size.bytes += static_cast<std::int64_t>(*bytes);
      ++size.count;
    }
    return true;
  });
  if (!listed && !listed.error().is(Trouble::not_found)) return fail(listed.error());
  return {};
}

// Counts the tree and replaces the file.
Result<MaildirSize> recount(os::Files& files, const std::string& root, const Parsed& old) {
  MaildirSize size = old.size;
  size.bytes = size.count = 0;
  std::vector<std::string> folders{root};
  const auto listed = files.list(root, [&](std::string_view name) {
    if (!name.starts_with('.')) return true;
    const std::string folder = fmt::format("{}/{}", root, name);
    const auto status = files.lstat(folder);
    if (status && status->kind == os::FileStatus::Kind::directory) folders.push_back(folder);
    return true;
  });
  if (!listed) return fail(listed.error());
  for (const auto& folder : folders) {
    for (const char* part : {"/cur", "/new"}) {
      if (const auto counted = count_directory(files, folder + part, size); !counted)
        return fail(counted.error());
    }
  }
  const auto written = replace_file(files, root + "/maildirsize",
                                    fmt::format("{}\n{} {}\n", old.limits, size.bytes, size.count), 0600);
  if (!written) return fail(written.error());
  return size;
}

}  // namespace

bool MaildirSize::has_room(std::uint64_t more_bytes, std::uint64_t more_count) const {
  const auto fits = [](std::uint64_t limit, std::int64_t used, std::uint64_t more) {
    return limit == 0 || (used < 0 ? 0 : static_cast<std::uint64_t>(used)) + more <= limit;
  };
  return fits(bytes_limit, bytes, more_bytes) && fits(count_limit, count, more_count);
}

Result<std::optional<MaildirSize>> check_quota(os::Files& files, const Clock& clock, const std::string& root,
                                               std::uint64_t more_bytes, std::uint64_t more_count) {
  const std::string path = root + "/maildirsize";
  const auto fd = files.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) {
    if (fd.error().is(Trouble::not_found)) return std::nullopt;
    return fail(fd.error());
  }
  std::string text(rewrite_above + 1, '\0');
  const auto got = files.read(fd->get(), text);
  if (!got) return fail(got.error());
  text.resize(*got);
  const auto parsed = parse(text);
  if (!parsed) return std::nullopt;

  bool again = text.size() > rewrite_above;
  if (!again && !parsed->size.has_room(more_bytes, more_count)) {
    const auto status = files.fstat(fd->get());
    again = parsed->data_lines > 1 || (status && clock.wall() - status->modified > recount_after);
  }
  if (!again) return parsed->size;
  const auto counted = recount(files, root, *parsed);
  if (!counted) return fail(counted.error());
  return *counted;
}

Result<> note_quota(os::Files& files, const std::string& root, std::int64_t bytes, std::int64_t count) {
  const auto fd = files.open(root + "/maildirsize", O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) {
    if (fd.error().is(Trouble::not_found)) return {};
    return fail(fd.error());
  }
  return files.write(fd->get(), fmt::format("{} {}\n", bytes, count));
}

std::string quota_root(const std::string& directory) {
  const auto slash = directory.rfind('/');
  return slash != std::string::npos && slash != 0 && directory.substr(slash + 1).starts_with('.')
             ? directory.substr(0, slash)
             : directory;
}

}  // namespace postrider::mailbox
