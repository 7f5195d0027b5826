// A directory of a test's own, gone with everything in it when the test ends.
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

#include <algorithm>

#include "lib/os/files.h"

namespace postrider::mailbox::test {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    const char* base = std::getenv("TMPDIR");
    path_ = std::string(base != nullptr ? base : "/tmp") + "/postrider-mailbox-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() { remove(path_); }

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  static void remove(const std::string& path) {
    auto& files = os::system_files();
    const auto status = files.lstat(path);
    if (status && status->kind == os::FileStatus::Kind::directory) {
      std::vector<std::string> names;
      (void)files.list(path, [&](std::string_view name) {
        names.emplace_back(name);
        return true;
      });
      for (const auto& name : names) remove(path + "/" + name);
      (void)files.rmdir(path);
    } else {
      (void)files.unlink(path);
    }
  }
  std::string path_;
};

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
