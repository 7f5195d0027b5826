#include "lib/mailbox/mbox_maildrop.h"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mailbox/mbox_delivery.h"
#include "lib/mailbox/mbox_file.h"
#include "tests/unit/mailbox/mailbox_files.h"
#include "tests/unit/os/faulty_files.h"

using namespace postrider;
using namespace postrider::mailbox;
using test::content_of;
using test::put;
using test::TemporaryDirectory;

namespace {

const SystemClock wall_clock;

// As Dovecot leaves it.
const std::string first =
    "From a@x.org  Mon Jan  1 00:00:00 2024\nX-IMAPbase: 1795417104 0000000012 $Label\nX-UID: 7\nStatus: RO\n"
    "Content-Length: 21\nSubject: one\n\nFrom here on\n\nFrom b:\n\n";
const std::string second =
    "From b@x.org  Mon Jan  1 00:00:00 2024\nSubject: two\nX-UID: 12\n\nbody\n>From x\n\n";
const std::string third =
    "From c@x.org  Mon Jan  1 00:00:00 2024\nSubject: three\n\n\nFrom nobody, no time\n\n\n";

struct Site {
  TemporaryDirectory dir;
  MemoryLog log;
  MailLocation location;
  explicit Site(const std::string& content = first + second + third) {
    location.kind = MailLocation::Kind::mbox;
    location.root = dir / "mail";
    location.inbox = dir / "inbox";
    put(location.inbox, content);
  }
  Result<std::unique_ptr<Pop3Maildrop>> open(os::Files& files = os::system_files()) {
    return Pop3Maildrop::open(files, wall_clock, log, location, {});
  }
  std::string text(Pop3Maildrop& maildrop, std::size_t index) {
    auto message = maildrop.read(index);
    if (!message) return message.error().text();
    std::string body(message->length, '\0');
    const auto got = os::system_files().pread(message->fd.get(), body, message->offset);
    return message->head + body.substr(0, got.value_or(0));
  }
};

std::uint64_t crlf_size(std::string_view text) {
  return text.size() + static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

TEST_CASE("an mbox that Dovecot wrote has its messages, UIDLs and sizes") {
  Site site;
  auto opened = site.open();
  REQUIRE(opened);
  auto& maildrop = **opened;
  REQUIRE(maildrop.count() == 3);
  CHECK(maildrop.uidl(0) == "000000076b03e410");
  CHECK(maildrop.uidl(1) == "0000000c6b03e410");
  CHECK(maildrop.uidl(2).size() == 32);
  CHECK(maildrop.seen(0));
  CHECK_FALSE(maildrop.seen(1));
  CHECK(site.text(maildrop, 0) == "Subject: one\n\nFrom here on\n\nFrom b:\n");
  CHECK(site.text(maildrop, 1) == "Subject: two\n\nbody\n>From x\n");
  CHECK(site.text(maildrop, 2) == "Subject: three\n\n\nFrom nobody, no time\n\n");
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(maildrop.octets(i) == crlf_size(site.text(maildrop, i)));
    total += maildrop.octets(i);
  }
  CHECK(maildrop.total_octets() == total);
}

TEST_CASE("a Content-Length that no separator follows is not believed") {
  Site site("From a@x  Mon Jan  1 00:00:00 2024\nContent-Length: 3\n\nlonger\n\n" +
            std::string("From a@x  Mon Jan  1 00:00:00 2024\nContent-Length: 99999999999999999999\n\nb\n\n") +
            "From a@x  Mon Jan  1 00:00:00 2024\nContent-Length: 18446744073709551615\n\nc\n");
  auto opened = site.open();
  REQUIRE(opened);
  REQUIRE((*opened)->count() == 3);
  CHECK(site.text(**opened, 0) == "\nlonger\n");
  CHECK(site.text(**opened, 2) == "\nc\n");
}

TEST_CASE("deleted messages go at QUIT, the others stay byte for byte, and UIDVALIDITY moves on") {
  struct Case {
    std::vector<std::size_t> deleted;
    std::string left;
  };
  const std::string base = "X-IMAPbase: 1795417104 0000000012 $Label\n";
  std::string second_with_base = second, third_with_base = third;
  second_with_base.insert(second.find('\n') + 1, base);
  third_with_base.insert(third.find('\n') + 1, base);
  const Case cases[] = {
      {{}, first + second + third},
      {{0}, second_with_base + third},
      {{1}, first + third},
      {{2}, first + second},
      {{0, 1}, third_with_base},
      {{0, 2}, second_with_base},
      {{1, 2}, first},
      {{0, 1, 2}, ""},
  };
  for (const auto& c : cases) {
    Site site;
    {
      auto opened = site.open();
      REQUIRE(opened);
      REQUIRE((*opened)->update({.deleted = c.deleted, .seen = {}}));
    }
    CHECK(content_of(site.location.inbox) == c.left);
    if (c.deleted == std::vector<std::size_t>{0}) {
      auto again = site.open();
      REQUIRE(again);
      CHECK((*again)->uidl(0) == "0000000c6b03e410");
    }
  }
}

TEST_CASE("mail that arrives during the session is kept and a session does not keep it out") {
  Site site;
  auto opened = site.open();
  REQUIRE(opened);
  Content content;
  content.bytes = "Subject: four\n\nnew\n";
  MboxOptions quick;
  quick.lock_attempts = 1;
  quick.lock_delay = Milliseconds{0};
  REQUIRE(deliver_to_mbox(os::system_files(), wall_clock, site.location.inbox,
                          "From d@x.org  Mon Jan  1 00:00:00 2024\n", content, quick));
  REQUIRE((*opened)->update({.deleted = {0, 1, 2}, .seen = {}}));
  const auto left = content_of(site.location.inbox);
  CHECK(left.starts_with("From d@x.org"));
  CHECK(left.ends_with("Subject: four\n\nnew\n\n"));
}

TEST_CASE("two sessions do not share an mbox, and one that was replaced is left alone") {
  Site site;
  auto opened = site.open();
  REQUIRE(opened);
  CHECK_FALSE(site.open().has_value());
  put(site.location.inbox, second);
  CHECK_FALSE((*opened)->update({.deleted = {0, 1, 2}, .seen = {}}).has_value());
  CHECK(content_of(site.location.inbox) == second);
}

TEST_CASE("no file is an empty maildrop; links, FIFOs and other files are none") {
  TemporaryDirectory dir;
  MemoryLog log;
  MailLocation location;
  location.kind = MailLocation::Kind::mbox;
  const auto open = [&](const std::string& path) {
    location.inbox = path;
    return Pop3Maildrop::open(os::system_files(), wall_clock, log, location, {});
  };
  const auto none = open(dir / "none");
  REQUIRE(none);
  CHECK((*none)->count() == 0);
  CHECK((*none)->update({}).has_value());
  put(dir / "text", "hello\n");
  REQUIRE(::symlink((dir / "text").c_str(), (dir / "link").c_str()) == 0);
  REQUIRE(::mkfifo((dir / "fifo").c_str(), 0600) == 0);
  for (const char* name : {"text", "link", "fifo"}) CHECK_FALSE(open(dir / name).has_value());
  put(dir / "empty", "");
  const auto empty = open(dir / "empty");
  REQUIRE(empty);
  CHECK((*empty)->count() == 0);
}

TEST_CASE("every flipped bit of an mbox gives a maildrop that can be read, or an error") {
  const std::string good = first + second;
  for (std::size_t bit = 0; bit < good.size() * 8; bit += 3) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    Site site(bad);
    auto opened = site.open();
    if (!opened) continue;
    for (std::size_t i = 0; i < (*opened)->count(); ++i) {
      CHECK((*opened)->octets(i) < 1000);
      CHECK(site.text(**opened, i).size() <= (*opened)->octets(i));
    }
  }
}
