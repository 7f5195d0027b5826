// Files for tests, each in front of another Files (usually system_files()).
//
// FaultyFiles fails the k-th call with a chosen errno and counts calls, so that a test can walk k from 1
// until nothing fails any more and check every state in between. RecordingFiles remembers, in order,
// every call that succeeded in changing something, with names and bytes, so that a crash test can rebuild
// the disk as it stood after any of them.
#pragma once

#include <fcntl.h>
#include <sys/uio.h>

#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "lib/os/files.h"

namespace postrider::os::test {

// What one call was asked to do. `path` is the file's name for calls on a descriptor that was opened
// through the same object, else empty.
struct FileCall {
  std::string name;  // the method: "open", "pwrite", "sync_directory", …
  std::string path;
  std::string other;         // the second path of rename and link
  std::string bytes;         // what was to be written
  std::uint64_t offset = 0;  // of pwrite, pwritev, allocate; the length for truncate
  std::uint64_t length = 0;  // of allocate
  int flags = 0;             // of open
  bool changes = false;      // alters what is on disk, or makes it durable
};

// Passes every call on, after asking allow() and before telling done().
class WatchedFiles : public Files {
 public:
  explicit WatchedFiles(Files& under = system_files()) : under_(under) {}

  Result<Fd> open(const std::string& path, int flags, mode_t mode = 0600) override {
    const bool changes = (flags & (O_CREAT | O_TRUNC)) != 0;
    auto result = watched(FileCall{.name = "open", .path = path, .flags = flags, .changes = changes},
                          [&] { return under_.open(path, flags, mode); });
    if (result) names_[result->get()] = path;
    return result;
  }
  Result<std::size_t> read(int fd, std::span<char> into) override {
    return watched(on("read", fd), [&] { return under_.read(fd, into); });
  }
  Result<std::size_t> pread(int fd, std::span<char> into, std::uint64_t offset) override {
    return watched(on("pread", fd), [&] { return under_.pread(fd, into, offset); });
  }
  Result<> write(int fd, std::string_view bytes) override {
    FileCall call = changing("write", fd);
    call.bytes = bytes;
    return watched(call, [&] { return under_.write(fd, bytes); });
  }
  Result<> pwrite(int fd, std::string_view bytes, std::uint64_t offset) override {
    FileCall call = changing("pwrite", fd);
    call.bytes = bytes;
    call.offset = offset;
    return watched(call, [&] { return under_.pwrite(fd, bytes, offset); });
  }
  Result<> pwritev(int fd, std::span<const iovec> parts, std::uint64_t offset) override {
    FileCall call = changing("pwritev", fd);
    for (const iovec& part : parts) call.bytes.append(static_cast<const char*>(part.iov_base), part.iov_len);
    call.offset = offset;
    return watched(call, [&] { return under_.pwritev(fd, parts, offset); });
  }
  Result<> fsync(int fd) override {
    return watched(changing("fsync", fd), [&] { return under_.fsync(fd); });
  }
  Result<> fdatasync(int fd) override {
    return watched(changing("fdatasync", fd), [&] { return under_.fdatasync(fd); });
  }
  Result<> allocate(int fd, std::uint64_t offset, std::uint64_t length) override {
    FileCall call = changing("allocate", fd);
    call.offset = offset;
    call.length = length;
    return watched(call, [&] { return under_.allocate(fd, offset, length); });
  }
  Result<> truncate(int fd, std::uint64_t length) override {
    FileCall call = changing("truncate", fd);
    call.offset = length;
    return watched(call, [&] { return under_.truncate(fd, length); });
  }
  Result<WrittenRange> written_range(int fd, std::uint64_t offset) override {
    return watched(on("written_range", fd), [&] { return under_.written_range(fd, offset); });
  }
  Result<> rename(const std::string& from, const std::string& to) override {
    const auto result = watched(changing("rename", from, to), [&] { return under_.rename(from, to); });
    if (result) {
      for (auto& [fd, name] : names_) {
        if (name == from) name = to;
      }
    }
    return result;
  }
  Result<> link(const std::string& from, const std::string& to) override {
    return watched(changing("link", from, to), [&] { return under_.link(from, to); });
  }
  Result<> unlink(const std::string& path) override {
    return watched(changing("unlink", path), [&] { return under_.unlink(path); });
  }
  Result<> mkdir(const std::string& path, mode_t mode) override {
    return watched(changing("mkdir", path), [&] { return under_.mkdir(path, mode); });
  }
  Result<> rmdir(const std::string& path) override {
    return watched(changing("rmdir", path), [&] { return under_.rmdir(path); });
  }
  Result<> sync_directory(const std::string& path) override {
    return watched(changing("sync_directory", path), [&] { return under_.sync_directory(path); });
  }
  Result<FileStatus> stat(const std::string& path) override {
    return watched(FileCall{.name = "stat", .path = path}, [&] { return under_.stat(path); });
  }
  Result<FileStatus> lstat(const std::string& path) override {
    return watched(FileCall{.name = "lstat", .path = path}, [&] { return under_.lstat(path); });
  }
  Result<FileStatus> fstat(int fd) override {
    return watched(on("fstat", fd), [&] { return under_.fstat(fd); });
  }
  Result<> chmod(int fd, mode_t mode) override {
    return watched(changing("chmod", fd), [&] { return under_.chmod(fd, mode); });
  }
  Result<> chown(int fd, uid_t uid, gid_t gid) override {
    return watched(changing("chown", fd), [&] { return under_.chown(fd, uid, gid); });
  }
  Result<> set_modified(int fd, WallTime modified) override {
    return watched(changing("set_modified", fd), [&] { return under_.set_modified(fd, modified); });
  }
  Result<> set_modified(const std::string& path, WallTime modified) override {
    return watched(changing("set_modified", path), [&] { return under_.set_modified(path, modified); });
  }
  Result<> list(const std::string& directory, const std::function<bool(std::string_view)>& each) override {
    return watched(FileCall{.name = "list", .path = directory}, [&] { return under_.list(directory, each); });
  }
  Result<bool> try_lock(int fd, bool exclusive) override {
    return watched(on("try_lock", fd), [&] { return under_.try_lock(fd, exclusive); });
  }
  Result<bool> try_record_lock(int fd, bool exclusive) override {
    return watched(on("try_record_lock", fd), [&] { return under_.try_record_lock(fd, exclusive); });
  }

 protected:
  // The errno to fail the call with, instead of passing it on; 0 to pass it on.
  virtual int allow(const FileCall& call) = 0;
  virtual void done(const FileCall& call, bool succeeded) = 0;
  Files& under() { return under_; }

 private:
  FileCall on(const char* name, int fd) const {
    const auto found = names_.find(fd);
    return FileCall{.name = name, .path = found == names_.end() ? "" : found->second};
  }
  FileCall changing(const char* name, int fd) const {
    FileCall call = on(name, fd);
    call.changes = true;
    return call;
  }
  static FileCall changing(const char* name, const std::string& path, const std::string& other = "") {
    return FileCall{.name = name, .path = path, .other = other, .changes = true};
  }
  template <class F>
  auto watched(const FileCall& call, const F& pass_on) -> decltype(pass_on()) {
    if (const int os_error = allow(call); os_error != 0) {
      done(call, false);
      return fail(Error::from_errno(os_error, call.name + " " + call.path));
    }
    auto result = pass_on();
    done(call, result.has_value());
    return result;
  }

  Files& under_;
  std::map<int, std::string> names_;  // stale entries are overwritten when the number is opened again
};

class FaultyFiles final : public WatchedFiles {
 public:
  using WatchedFiles::WatchedFiles;

  // Fails call number `k`, counted from 1 and from now on. With `name`, only calls of that method
  // count. A failing write may leave the first half of its bytes, as a full disk does (`torn`).
  void fail_call(std::size_t k, int os_error, std::string name = {}, bool torn = false) {
    arm(k, k, os_error, std::move(name), torn);
  }
  // Fails call number `k` and every one after it: a disk that is full or gone.
  void fail_from(std::size_t k, int os_error, std::string name = {}) {
    arm(k, static_cast<std::size_t>(-1), os_error, std::move(name), false);
  }
  void heal() { first_ = last_ = 0; }

  bool failed() const { return failures_ > 0; }  // since the last fail_call or fail_from
  std::size_t calls() const { return calls_; }   // of all methods, in all
  std::size_t calls(const std::string& name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? 0 : found->second;
  }

 private:
  void arm(std::size_t first, std::size_t last, int os_error, std::string name, bool torn) {
    first_ = first;
    last_ = last;
    os_error_ = os_error;
    name_ = std::move(name);
    torn_ = torn;
    seen_ = 0;
    failures_ = 0;
  }
  int allow(const FileCall& call) override {
    ++calls_;
    ++by_name_[call.name];
    if (!name_.empty() && name_ != call.name) return 0;
    ++seen_;
    if (seen_ < first_ || seen_ > last_ || first_ == 0) return 0;
    ++failures_;
    if (torn_ && !call.bytes.empty() && !call.path.empty()) tear(call);
    return os_error_;
  }
  void tear(const FileCall& call) {
    const bool append = call.name == "write";
    const auto fd = under().open(call.path, append ? O_WRONLY | O_APPEND : O_WRONLY);
    if (!fd) return;
    const std::string_view half = std::string_view(call.bytes).substr(0, call.bytes.size() / 2);
    (void)(append ? under().write(fd->get(), half) : under().pwrite(fd->get(), half, call.offset));
  }
  void done(const FileCall&, bool) override {}

  std::size_t first_ = 0;
  std::size_t last_ = 0;
  std::size_t seen_ = 0;
  std::size_t failures_ = 0;
  std::size_t calls_ = 0;
  int os_error_ = 0;
  bool torn_ = false;
  std::string name_;
  std::map<std::string, std::size_t> by_name_;
};

class RecordingFiles final : public WatchedFiles {
 public:
  using WatchedFiles::WatchedFiles;
  // Only calls that succeeded and changed something.
  const std::vector<FileCall>& changes() const { return changes_; }

 private:
  int allow(const FileCall&) override { return 0; }
  void done(const FileCall& call, bool succeeded) override {
    if (succeeded && call.changes) changes_.push_back(call);
  }
  std::vector<FileCall> changes_;
};

// A directory of a test's own, removed with everything in it at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    const char* base = std::getenv("TMPDIR");
    path_ = std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/postrider-test-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() { remove(path_); }

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  static void remove(const std::string& directory) {
    Files& files = system_files();
    std::vector<std::string> names;
    (void)files.list(directory, [&](std::string_view name) {
      names.push_back(directory + "/" + std::string(name));
      return true;
    });
    for (const std::string& name : names) {
      const auto status = files.lstat(name);
      if (status && status->kind == FileStatus::Kind::directory) {
        remove(name);
      } else {
        (void)files.unlink(name);
      }
    }
    (void)files.rmdir(directory);
  }
  std::string path_;
};

}  // namespace postrider::os::test
