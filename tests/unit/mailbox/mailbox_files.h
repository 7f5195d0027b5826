// What tests of mailboxes look at and put into a directory of their own.
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

#include <algorithm>

#include "lib/os/files.h"
#include "tests/unit/os/faulty_files.h"

namespace postrider::mailbox::test {

using os::test::TemporaryDirectory;

inline std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  (void)os::system_files().list(directory, [&](std::string_view name) {
    names.emplace_back(name);
    return true;
  });
  std::sort(names.begin(), names.end());
  return names;
}

inline std::string content_of(const std::string& path) {
  return read_file(os::system_files(), path, 1 << 24).value_or("<unreadable>");
}

inline void put(const std::string& path, std::string_view content) {
  const auto slash = path.rfind('/');
  (void)make_directories(os::system_files(), path.substr(0, slash), 0700);
  if (!replace_file(os::system_files(), path, content, 0600)) std::abort();
}

}  // namespace postrider::mailbox::test
