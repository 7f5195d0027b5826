#include "lib/mailbox/mbox_delivery.h"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/mailbox/mailbox_files.h"
#include "tests/unit/os/faulty_files.h"

using namespace postrider;
using namespace postrider::mailbox;
using test::content_of;
using test::names_in;
using test::put;
using test::TemporaryDirectory;

namespace {

const SystemClock wall_clock;
const std::string separator = "From a@example.org  Mon Jan  1 00:00:00 2024\n";

MboxOptions quick() {
  MboxOptions options;
  options.lock_attempts = 1;
  options.lock_delay = Milliseconds{0};
  return options;
}

Result<> deliver(const std::string& path, std::string_view body, const MboxOptions& options = quick(),
                 os::Files& files = os::system_files()) {
  Content content;
  content.head = "Delivered-To: u@example.org\n";
  content.bytes = body;
  return deliver_to_mbox(files, wall_clock, path, separator, content, options);
}

}  // namespace

TEST_CASE("a message is appended with its separator, quoted and ended by a blank line") {
  TemporaryDirectory dir;
  REQUIRE(deliver(dir / "u", "Subject: x\n\nFrom here\n>From there\nFromage\n"));
  const std::string first =
      separator + "Delivered-To: u@example.org\nSubject: x\n\n>From here\n>From there\nFromage\n\n";
  CHECK(content_of(dir / "u") == first);
  REQUIRE(deliver(dir / "u", "two, without an end"));
  CHECK(content_of(dir / "u") == first + separator + "Delivered-To: u@example.org\ntwo, without an end\n\n");
  CHECK(os::system_files().stat(dir / "u")->mode == 0600);
  CHECK(names_in(dir.path()) == std::vector<std::string>{"u"});
}

TEST_CASE("a file that does not end in a blank line gets one before the separator") {
  TemporaryDirectory dir;
  put(dir / "u", "From x\n\nbody");
  put(dir / "v", "From x\n\nbody\n");
  REQUIRE(deliver(dir / "u", "m\n"));
  REQUIRE(deliver(dir / "v", "m\n"));
  CHECK(content_of(dir / "u").starts_with("From x\n\nbody\n\nFrom a@example.org"));
  CHECK(content_of(dir / "v").starts_with("From x\n\nbody\n\nFrom a@example.org"));
}

TEST_CASE("content of a descriptor is quoted across blocks") {
  TemporaryDirectory dir;
  std::string body;
  while (body.size() < 200'000) body += "From line\n";
  put(dir / "q", "xx" + body);
  const auto fd = os::system_files().open(dir / "q", O_RDONLY);
  REQUIRE(fd);
  Content content;
  content.fd = fd->get();
  content.offset = 2;
  content.length = body.size();
  REQUIRE(deliver_to_mbox(os::system_files(), wall_clock, dir / "u", separator, content, quick()));
  const auto stored = content_of(dir / "u");
  CHECK(stored.size() == separator.size() + body.size() + body.size() / 10 + 1);
  CHECK(stored.find("\nFrom ") == std::string::npos);
}

TEST_CASE("symbolic links, hard links, FIFOs and directories are refused and left alone") {
  TemporaryDirectory dir;
  put(dir / "victim", "precious");
  REQUIRE(::symlink((dir / "victim").c_str(), (dir / "symlink").c_str()) == 0);
  REQUIRE(::symlink((dir / "nowhere").c_str(), (dir / "dangling").c_str()) == 0);
  REQUIRE(::link((dir / "victim").c_str(), (dir / "hardlink").c_str()) == 0);
  REQUIRE(::mkfifo((dir / "fifo").c_str(), 0600) == 0);
  REQUIRE(::mkdir((dir / "directory").c_str(), 0700) == 0);
  for (const char* name : {"symlink", "dangling", "hardlink", "fifo"}) {
    const auto done = deliver(dir / name, "m\n");
    CAPTURE(name);
    REQUIRE_FALSE(done);
    CHECK(done.error().is(Trouble::access));
  }
  CHECK_FALSE(deliver(dir / "directory", "m\n").has_value());
  CHECK(content_of(dir / "victim") == "precious");
  CHECK_FALSE(os::system_files().lstat(dir / "nowhere").has_value());
}

TEST_CASE("a file of another owner is refused") {
  TemporaryDirectory dir;
  put(dir / "u", "");
  auto options = quick();
  options.owner = ::geteuid() + 1;
  const auto done = deliver(dir / "u", "m\n", options);
  REQUIRE_FALSE(done);
  CHECK(done.error().is(Trouble::access));
  CHECK(content_of(dir / "u").empty());
  options.owner = ::geteuid();
  CHECK(deliver(dir / "u", "m\n", options).has_value());
}

TEST_CASE("each kind of lock held by another keeps the mail out") {
  TemporaryDirectory dir;
  auto& files = os::system_files();
  put(dir / "u", "");
  const auto other = files.open(dir / "u", O_RDWR);
  REQUIRE(other);
  auto options = quick();
  options.locks = {MboxLock::fcntl};
  {
    REQUIRE(files.try_record_lock(other->get(), true) == true);
    const auto done = deliver(dir / "u", "m\n", options);
    REQUIRE_FALSE(done);
    CHECK(done.error().is(Trouble::temporary));
    options.locks = {MboxLock::flock};
    CHECK(deliver(dir / "u", "m\n", options).has_value());
    REQUIRE(files.try_lock(other->get(), true) == true);
    CHECK_FALSE(deliver(dir / "u", "m\n", options).has_value());
  }
  put(dir / "u.lock", "1:another.host");
  options.locks = {MboxLock::dotlock};
  CHECK_FALSE(deliver(dir / "u", "m\n", options).has_value());
  REQUIRE(files.set_modified(dir / "u.lock", wall_clock.wall() - Seconds{501}));
  CHECK(deliver(dir / "u", "m\n", options).has_value());
  CHECK_FALSE(files.lstat(dir / "u.lock").has_value());
}

TEST_CASE("a mailbox at its limit refuses the message and keeps its content") {
  TemporaryDirectory dir;
  REQUIRE(deliver(dir / "u", "m\n"));
  const auto before = content_of(dir / "u");
  auto options = quick();
  options.size_limit = before.size() + 20;
  const auto done = deliver(dir / "u", "m\n", options);
  REQUIRE_FALSE(done);
  CHECK(done.error().is(Trouble::permanent));
  CHECK(done.error().os_error() == EFBIG);
  CHECK(content_of(dir / "u") == before);
  options.size_limit = before.size() * 2;
  CHECK(deliver(dir / "u", "m\n", options).has_value());
}

TEST_CASE("lock methods are read in the order given") {
  CHECK(parse_mbox_locks("fcntl, dotlock") == std::vector{MboxLock::fcntl, MboxLock::dotlock});
  CHECK(parse_mbox_locks("dotlock flock") == std::vector{MboxLock::dotlock, MboxLock::flock});
  CHECK_FALSE(parse_mbox_locks("fcntl, lockf").has_value());
}

TEST_CASE("whichever call fails, an mbox holds the whole message or is what it was") {
  for (const int os_error : {ENOSPC, EIO, EDQUOT}) {
    for (std::size_t k = 1;; ++k) {
      TemporaryDirectory dir;
      put(dir / "u", "From x\n\nold\n\n");
      std::string body(150'000, 'x');
      os::test::FaultyFiles faulty;
      faulty.fail_call(k, os_error, {}, true);
      const auto done = deliver(dir / "u", body, quick(), faulty);
      const auto stored = content_of(dir / "u");
      CAPTURE(k, os_error);
      if (done) {
        CHECK(stored == "From x\n\nold\n\n" + separator + "Delivered-To: u@example.org\n" + body + "\n\n");
      } else {
        CHECK(stored == "From x\n\nold\n\n");
      }
      if (!faulty.failed()) break;
      REQUIRE(k < 100);
    }
  }
}
