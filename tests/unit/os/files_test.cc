#include "lib/os/files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/unit/os/faulty_files.h"

using namespace postrider;
using namespace postrider::os;
using namespace postrider::os::test;

namespace {

std::string content_of(const std::string& path) {
  const auto content = read_file(system_files(), path, 1'000'000);
  return content ? *content : "error: " + content.error().text();
}

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  (void)system_files().list(directory, [&](std::string_view name) {
    names.emplace_back(name);
    return true;
  });
  return names;
}

}  // namespace

TEST_CASE("a replaced file has the new content and mode whatever the umask") {
  const TemporaryDirectory directory;
  const std::string path = directory / "main.cf";
  const mode_t old_mask = ::umask(077);
  REQUIRE(replace_file(system_files(), path, "one", 0644));
  REQUIRE(replace_file(system_files(), path, "two", 0640));
  ::umask(old_mask);
  CHECK(content_of(path) == "two");
  CHECK(system_files().stat(path)->mode == 0640);
  CHECK(names_in(directory.path()) == std::vector<std::string>{"main.cf"});
}

TEST_CASE("replacing a file that fails at any call leaves the old or the new content and nothing beside it") {
  for (std::size_t k = 1;; ++k) {
    const TemporaryDirectory directory;
    const std::string path = directory / "table";
    REQUIRE(replace_file(system_files(), path, "old content", 0600));
    FaultyFiles files;
    files.fail_call(k, ENOSPC, {}, true);
    const auto replaced = replace_file(files, path, "new content", 0600);
    if (!files.failed()) {
      CHECK(replaced);
      CHECK(k > 5);  // open, write, chmod, fsync, rename, sync_directory
      break;
    }
    INFO("call " << k);
    const std::string now = content_of(path);
    CHECK((now == "old content" || now == "new content"));
    REQUIRE_FALSE(replaced);
    CHECK(replaced.error().is(Trouble::no_space));
    CHECK(names_in(directory.path()) == std::vector<std::string>{"table"});
  }
}

TEST_CASE("a replaced file is durable before it gets its name and its name before success") {
  const TemporaryDirectory directory;
  RecordingFiles files;
  REQUIRE(replace_file(files, directory / "x", "content", 0600));
  std::vector<std::string> order;
  for (const FileCall& call : files.changes()) order.push_back(call.name);
  CHECK(order == std::vector<std::string>{"open", "write", "chmod", "fsync", "rename", "sync_directory"});
  CHECK(files.changes()[1].bytes == "content");
  CHECK(files.changes()[4].other == directory / "x");
}

TEST_CASE("replacing a symbolic link leaves what it points to alone") {
  const TemporaryDirectory directory;
  REQUIRE(replace_file(system_files(), directory / "target", "precious", 0600));
  REQUIRE(::symlink((directory / "target").c_str(), (directory / "link").c_str()) == 0);
  REQUIRE(replace_file(system_files(), directory / "link", "new", 0600));
  CHECK(content_of(directory / "target") == "precious");
  CHECK(content_of(directory / "link") == "new");
  CHECK(system_files().lstat(directory / "link")->kind == FileStatus::Kind::regular);
}

TEST_CASE("a file longer than the limit is refused, one as long is read") {
  const TemporaryDirectory directory;
  REQUIRE(replace_file(system_files(), directory / "x", std::string(70000, 'x'), 0600));
  CHECK(read_file(system_files(), directory / "x", 70000)->size() == 70000);
  const auto refused = read_file(system_files(), directory / "x", 69999);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().is(Trouble::permanent));
  CHECK(read_file(system_files(), directory / "none", 10).error().is(Trouble::not_found));
}

TEST_CASE("scattered parts are written in order, empty ones and more than IOV_MAX included") {
  const TemporaryDirectory directory;
  Files& files = system_files();
  auto fd = files.open(directory / "x", O_RDWR | O_CREAT | O_EXCL);
  REQUIRE(fd);
  std::string letters;
  for (int i = 0; i < 3000; ++i) letters.push_back(static_cast<char>('a' + i % 26));
  std::vector<iovec> parts;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    parts.push_back({&letters[i], 1});
    parts.push_back({nullptr, 0});
  }
  REQUIRE(files.pwritev(fd->get(), parts, 10));
  CHECK(content_of(directory / "x") == std::string(10, '\0') + letters);
}

TEST_CASE("allocated space makes the file grow and reads as zeros") {
  const TemporaryDirectory directory;
  Files& files = system_files();
  auto fd = files.open(directory / "x", O_RDWR | O_CREAT);
  REQUIRE(fd);
  REQUIRE(files.allocate(fd->get(), 0, 8192));
  CHECK(files.fstat(fd->get())->size == 8192);
  REQUIRE(files.pwrite(fd->get(), "abc", 4096));
  CHECK(files.fstat(fd->get())->size == 8192);
  REQUIRE(files.truncate(fd->get(), 2));
  CHECK(content_of(directory / "x") == std::string(2, '\0'));
}

TEST_CASE("data is found behind a hole, and the end of the file where there is none") {
  const TemporaryDirectory directory;
  Files& files = system_files();
  auto fd = files.open(directory / "file", O_RDWR | O_CREAT);
  REQUIRE(fd);
  REQUIRE(files.truncate(fd->get(), 4U << 20));
  REQUIRE(files.pwrite(fd->get(), "data", 2U << 20));
  const auto first = files.written_range(fd->get(), 0);
  REQUIRE(first);
  CHECK(first->begin <= 2U << 20);
  CHECK(first->end >= (2U << 20) + 4);
  CHECK(files.written_range(fd->get(), (2U << 20) + 1)->begin == (2U << 20) + 1);
  CHECK(files.written_range(fd->get(), 3U << 20)->end == 4U << 20);
  const auto behind = files.written_range(fd->get(), 8U << 20);
  CHECK((behind->begin == 8U << 20 && behind->end == 8U << 20));
  CHECK_FALSE(files.written_range(-1, 0));
}

TEST_CASE("errors name the operation and the path, for descriptors too") {
  const TemporaryDirectory directory;
  Files& files = system_files();
  CHECK(files.open(directory / "none", O_RDONLY).error().text() ==
        "open " + directory / "none" + ": No such file or directory");
  REQUIRE(replace_file(files, directory / "x", "", 0600));
  const auto fd = files.open(directory / "x", O_RDONLY);
  REQUIRE(fd);
  CHECK(files.write(fd->get(), "no").error().text() == "write " + directory / "x" + ": Bad file descriptor");
}

TEST_CASE("missing parents are made, existing ones accepted, a file in the way reported") {
  const TemporaryDirectory directory;
  Files& files = system_files();
  REQUIRE(make_directories(files, directory / "a/b//c/", 0700));
  REQUIRE(make_directories(files, directory / "a/b/c", 0700));
  CHECK(files.stat(directory / "a/b/c")->kind == FileStatus::Kind::directory);
  REQUIRE(replace_file(files, directory / "file", "", 0600));
  CHECK(make_directories(files, directory / "file/x", 0700).error().os_error() == ENOTDIR);
}

TEST_CASE("both kinds of lock exclude another open of the file and end with their descriptor") {
  const TemporaryDirectory directory;
  Files& files = system_files();
  REQUIRE(replace_file(files, directory / "x", "", 0600));
  for (const bool record : {false, true}) {
    const auto lock = [&](const Fd& fd, bool exclusive) {
      return record ? files.try_record_lock(fd.get(), exclusive) : files.try_lock(fd.get(), exclusive);
    };
    auto first = files.open(directory / "x", O_RDWR);
    const auto second = files.open(directory / "x", O_RDWR);
    REQUIRE((first && second));
    CHECK(*lock(*first, true));
    CHECK_FALSE(*lock(*second, true));
    CHECK_FALSE(*lock(*second, false));
    first->reset();
    CHECK(*lock(*second, true));
  }
}

TEST_CASE("times before and after the epoch are set to the microsecond") {
  const TemporaryDirectory directory;
  Files& files = system_files();
  REQUIRE(replace_file(files, directory / "x", "", 0600));
  const WallTime time{Microseconds{1'704'067'200'123'456}};
  REQUIRE(files.set_modified(directory / "x", time));
  CHECK((files.stat(directory / "x")->modified == time));
  const WallTime early{Microseconds{-1'500'000}};
  const auto fd = files.open(directory / "x", O_RDWR);
  REQUIRE(files.set_modified(fd->get(), early));
  CHECK((files.fstat(fd->get())->modified == early));
}

TEST_CASE("a memory file holds its parts and can no longer be changed") {
  const std::string_view parts[] = {"Subject: x\r\n", "", "\r\nbody"};
  const auto fd = memory_file("message", parts);
  REQUIRE(fd);
  Files& files = system_files();
  std::string bytes(64, '\0');
  const auto got = files.pread(fd->get(), bytes, 0);
  REQUIRE(got);
  CHECK(bytes.substr(0, *got) == "Subject: x\r\n\r\nbody");
  CHECK_FALSE(files.pwrite(fd->get(), "X", 0));
  CHECK_FALSE(files.truncate(fd->get(), 0));
  CHECK_FALSE(files.truncate(fd->get(), 100));
}

TEST_CASE("a listing stops when told to and leaves out the directory and its parent") {
  const TemporaryDirectory directory;
  for (const char* name : {"a", "b", "c"}) REQUIRE(replace_file(system_files(), directory / name, "", 0600));
  CHECK(names_in(directory.path()).size() == 3);
  int seen = 0;
  REQUIRE(system_files().list(directory.path(), [&](std::string_view) { return ++seen < 2; }));
  CHECK(seen == 2);
  CHECK(system_files().list(directory / "a", [](std::string_view) { return true; }).error().os_error() ==
        ENOTDIR);
}

TEST_CASE("descriptors are closed on exec and a duplicate shares the open file") {
  const TemporaryDirectory directory;
  auto fd = system_files().open(directory / "x", O_RDWR | O_CREAT);
  REQUIRE(fd);
  CHECK((::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC) != 0);
  const Fd copy = fd->duplicate();
  REQUIRE(copy);
  CHECK((::fcntl(copy.get(), F_GETFD) & FD_CLOEXEC) != 0);
  REQUIRE(system_files().write(fd->get(), "abc"));
  fd->reset();
  CHECK(::lseek(copy.get(), 0, SEEK_CUR) == 3);
}
