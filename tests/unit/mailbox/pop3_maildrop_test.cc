#include "lib/mailbox/pop3_maildrop.h"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/core.h>

#include "lib/mailbox/pop3_uidl.h"
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

struct Site {
  TemporaryDirectory dir;
  MemoryLog log;
  MailLocation location;

  Site() {
    location.root = location.inbox = dir / "m";
    put(dir / "m/cur/1276528487.M364837P9451.kurkku,S=5,W=6:2,S", "aaaa\n");
    put(dir / "m/new/1276533073.M242911P3632.kurkku", "Subject: x\nX-UIDL: old one \n\nX-UIDL: no\n");
    put(dir / "m/tmp/.keep", "");
    put(dir / "m/dovecot-uidlist",
        "3 V1795417104 N18 G3085f01b7f11094c501100008c4a11c1\n"
        "10 :1276528487.M364837P9451.kurkku,S=5,W=6\n");
  }
  Result<std::unique_ptr<Pop3Maildrop>> open(const Pop3Options& options = {},
                                             os::Files& files = os::system_files()) {
    return Pop3Maildrop::open(files, wall_clock, log, location, options);
  }
};

}  // namespace

TEST_CASE("the default UIDL is Dovecot's: UID and UIDVALIDITY in lower-case hexadecimal") {
  Site site;
  auto maildrop = site.open();
  REQUIRE(maildrop);
  REQUIRE((*maildrop)->count() == 2);
  CHECK((*maildrop)->uidl(0) == "0000000a6b03e410");
  CHECK((*maildrop)->uidl(1) == "000000126b03e410");
  CHECK((*maildrop)->octets(0) == 6);
  CHECK((*maildrop)->octets(1) == 44);
  CHECK((*maildrop)->total_octets() == 50);
  CHECK((*maildrop)->seen(0));
  CHECK_FALSE((*maildrop)->seen(1));
  const auto message = (*maildrop)->read(0);
  REQUIRE(message);
  CHECK(message->length == 5);
}

TEST_CASE("the UIDL formats that other servers used") {
  struct Case {
    const char* format;
    const char* uidl;
  };
  const Case cases[] = {
      {"%08Xu%08Xv", "0000000a6b03e410"},
      {"%{uid | hex(8)}%{uidvalidity | hex(8)}", "0000000a6b03e410"},
      {"%08Xv%08Xu", "6b03e4100000000a"},
      {"%v.%u", "1795417104.10"},
      {"%v-%u", "1795417104-10"},
      {"%u", "10"},
      {"%f", "1276528487.M364837P9451.kurkku,S=5,W=6"},
      {"%Mf", "e4d09d0b28bfa154c48aa8f211c5d4be"},
      {"UID%u-%v", "UID10-1795417104"},
      {"%g", "1276528487.M364837P9451.kurkku,S=5,W=6"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.format);
    const std::string_view base = "1276528487.M364837P9451.kurkku,S=5,W=6";
    const auto uidl = make_uidl(c.format, {10, 1795417104, base, base, {}});
    REQUIRE(uidl);
    CHECK(*uidl == c.uidl);
  }
  CHECK(make_uidl("%f", {.base = "a b\r\nc\x80"}) == "a_b__c_");
  for (const char* bad : {"%", "%08", "%q", "%{uid", "%{nothing}", "%{uid|what}", "%999u", "%9999999999u"}) {
    const auto wrong = make_uidl(bad, {.uid = 1});
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().is(Trouble::configuration));
  }
}

TEST_CASE("the uidlist's own UIDLs and order win, then X-UIDL where it is asked for") {
  Site site;
  put(site.dir / "m/cur/9.M1P1.h,S=1,W=1:2,", "x");
  put(site.dir / "m/dovecot-uidlist",
      "3 V1795417104 N18 G3085f01b7f11094c501100008c4a11c1\n"
      "9 Pcourier-9 O2 :9.M1P1.h,S=1,W=1\n"
      "10 O1 :1276528487.M364837P9451.kurkku,S=5,W=6\n");
  auto maildrop = site.open({.reuse_xuidl = true});
  REQUIRE(maildrop);
  REQUIRE((*maildrop)->count() == 3);
  CHECK((*maildrop)->uidl(0) == "0000000a6b03e410");
  CHECK((*maildrop)->uidl(1) == "courier-9");
  CHECK((*maildrop)->uidl(2) == "old_one");
}

TEST_CASE("duplicate UIDLs are told apart where that is asked for") {
  std::vector<std::string> uidls{"a", "b", "a", "a"};
  rename_duplicates(uidls);
  CHECK(uidls == std::vector<std::string>{"a", "b", "a-2", "a-3"});
}

TEST_CASE("one session at a time has the maildrop, and its end gives it back") {
  Site site;
  {
    auto first = site.open();
    REQUIRE(first);
    const auto second = site.open();
    REQUIRE_FALSE(second);
    CHECK(second.error().is(Trouble::temporary));
    // Age alone does not free what a living session holds.
    REQUIRE(os::system_files().set_modified(site.dir / "m/dovecot-pop3-session.lock",
                                            wall_clock.wall() - Seconds{4000}));
    CHECK_FALSE(site.open().has_value());
    CHECK(site.open({.lock_session = false}).has_value());
  }
  CHECK(site.open().has_value());
}

TEST_CASE("nothing changes before update, then the deleted are gone and the read are seen") {
  Site site;
  {
    auto maildrop = site.open();
    REQUIRE(maildrop);
  }
  CHECK(names_in(site.dir / "m/cur").size() == 2);
  {
    auto maildrop = site.open();
    REQUIRE(maildrop);
    REQUIRE((*maildrop)->update({.deleted = {0}, .seen = {0, 1}}));
  }
  CHECK(names_in(site.dir / "m/cur") == std::vector<std::string>{"1276533073.M242911P3632.kurkku:2,S"});
  auto maildrop = site.open();
  REQUIRE(maildrop);
  CHECK((*maildrop)->uidl(0) == "000000126b03e410");
}

TEST_CASE("a maildrop that does not exist yet is made, empty") {
  TemporaryDirectory dir;
  MemoryLog log;
  MailLocation location;
  location.root = location.inbox = dir / "a/b/Maildir";
  auto maildrop = Pop3Maildrop::open(os::system_files(), wall_clock, log, location, {});
  REQUIRE(maildrop);
  CHECK((*maildrop)->count() == 0);
  CHECK((*maildrop)->update({}).has_value());
}

TEST_CASE("mail_location is Dovecot's grammar and keeps users inside their place") {
  const MailOwner owner{"Ann@Example.org", "/home/ann"};
  const auto inbox = [&](const char* text) {
    const auto location = parse_mail_location(text, owner);
    return location ? location->inbox : location.error().text();
  };
  CHECK(inbox("maildir:~/Maildir") == "/home/ann/Maildir");
  CHECK(inbox("~/Maildir/") == "/home/ann/Maildir");
  CHECK(inbox("maildir:/var/vmail/%Ld/%Ln") == "/var/vmail/example.org/ann");
  CHECK(inbox("maildir:/v/%1n/%1.1n/%u") == "/v/A/n/Ann@Example.org");
  CHECK(inbox("maildir:/v/%{user | domain | lower}/%{user | username}:INDEX=/i/%u") == "/v/example.org/Ann");
  CHECK(inbox("mbox:~/mail:INBOX=/var/mail/%n") == "/var/mail/Ann");
  const auto control = parse_mail_location("maildir:~/M:CONTROL=/c/%n/", owner);
  REQUIRE(control);
  CHECK(control->control == "/c/Ann");

  for (const char* bad : {"", "maildir:", "maildir:Maildir", "sdbox:~/x", "maildir:~/M:LAYOUT=fs",
                          "maildir:/v/%q", "maildir:~/M:NOPE=1"}) {
    const auto location = parse_mail_location(bad, owner);
    CAPTURE(bad);
    REQUIRE_FALSE(location);
    CHECK(location.error().is(Trouble::configuration));
  }
  for (const char* user : {"../root", ".", "..", ".ssh", "a/b", "", "@x", "a@", "a@../b"}) {
    const auto location = parse_mail_location("maildir:/v/%d/%n", {user, "/home/x"});
    CAPTURE(user);
    REQUIRE_FALSE(location);
    CHECK(location.error().is(Trouble::permanent));
  }
}

TEST_CASE("whichever call fails, an opened maildrop tells true UIDLs and sizes") {
  for (std::size_t k = 1;; ++k) {
    Site site;
    os::test::FaultyFiles faulty;
    faulty.fail_call(k, EIO);
    CAPTURE(k);
    {
      auto maildrop = site.open({}, faulty);
      if (maildrop) {
        for (std::size_t i = 0; i < (*maildrop)->count(); ++i) {
          const auto uidl = (*maildrop)->uidl(i);
          CHECK((uidl == "0000000a6b03e410" || uidl == "000000126b03e410"));
          CHECK((*maildrop)->octets(i) == (uidl.starts_with("0000000a") ? 6 : 44));
        }
      }
    }
    if (!faulty.failed()) break;
    REQUIRE(k < 200);
  }
}
