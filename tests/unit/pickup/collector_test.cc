#include "pickup/collector.h"

#include <sys/stat.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include "tests/unit/pickup/site.h"

using namespace postrider;
using namespace postrider::pickup;
using test::Outcome;
using test::Site;

TEST_CASE("a submission goes to cleanup with a Received header and then from maildrop") {
  Site site;
  site.drop("bob@example.com", "Subject: x\n\nbody\n");
  site.collect();
  CHECK(site.count("maildrop") == 0);
  REQUIRE(site.taken.size() == 1);
  const auto& one = site.taken[0];
  CHECK(one.content.starts_with("Received: by mail.example.org (Postrider, from userid " +
                                std::to_string(::getuid()) + ")\n\tid " + one.envelope.id.text() + "; "));
  CHECK(one.content.ends_with("\nSubject: x\n\nbody\n"));
  CHECK(one.envelope.submitter_uid == ::getuid());
  CHECK(one.envelope.arrival > WallTime{});
  CHECK(one.origin == protocol::Submit::Origin::local);
  CHECK(site.log().find(one.envelope.id.text() + ": uid=" + std::to_string(::getuid()) +
                        " from=<ann@example.org>\n") != std::string::npos);
}

TEST_CASE("hundreds of submissions are all taken, large ones too") {
  Site site;
  for (int i = 0; i < 300; ++i) site.drop("bob@example.com", std::string(i == 7 ? 500'000 : 100, 'x'));
  site.collect();
  CHECK(site.count("maildrop") == 0);
  CHECK(site.taken.size() == 300);
}

TEST_CASE("what cleanup cannot take now stays for the next time") {
  Site site;
  site.drop("bob@example.com", "text");
  for (const Outcome outcome : {Outcome::no_space, Outcome::temporary}) {
    site.answer = outcome;
    site.collect();
    CHECK(site.count("maildrop") == 1);
  }
  site.answer = Outcome::queued;
  site.collect();
  CHECK(site.count("maildrop") == 0);
}

TEST_CASE("a cleanup that dies under a submission is asked again") {
  const std::size_t length = GENERATE(std::size_t{100}, std::size_t{500'000});
  Site site;
  site.vanish = 2;
  site.drop("bob@example.com", std::string(length, 'x'));
  site.collect();
  CHECK(site.count("maildrop") == 0);
  CHECK(site.taken.size() == 1);
}

TEST_CASE("what will never be accepted is returned to its sender, and kept until that is done") {
  Site site;
  site.drop("bob@example.com", "text");
  site.answer = Outcome::too_large;
  site.bounce_answer = false;
  site.collect();
  CHECK(site.count("maildrop") == 1);
  site.bounce_answer = true;
  site.collect();
  CHECK(site.count("maildrop") == 0);
  REQUIRE(site.bounced.size() == 2);
  CHECK(site.bounced[1].sender == "ann@example.org");
  CHECK(site.bounced[1].recipients[0].address == "bob@example.com");
  CHECK_FALSE(site.bounced[1].recipients[0].dsn.empty());
}

TEST_CASE("a requeued message keeps its history") {
  Site site;
  site.drop("bob@example.com", "text", "ABCDEF");
  site.collect();
  REQUIRE(site.taken.size() == 1);
  CHECK(site.taken[0].envelope.orig_queue_id == "ABCDEF");
  CHECK(site.taken[0].origin == protocol::Submit::Origin::internal);
  CHECK(site.log().find(" orig_id=ABCDEF\n") != std::string::npos);
}

TEST_CASE("a hostile file in maildrop goes to corrupt and holds up nobody") {
  Site site;
  const std::string name = "m" + std::string(32, 'a');
  REQUIRE(os::replace_file(os::system_files(), "maildrop/" + name, std::string(100, '\0'), 0600));
  REQUIRE(::symlink("/etc/passwd", ("maildrop/m" + std::string(32, 'b')).c_str()) == 0);
  REQUIRE(::mkfifo(("maildrop/m" + std::string(32, 'c')).c_str(), 0600) == 0);
  REQUIRE(os::replace_file(os::system_files(), "maildrop/tunfinished", "x", 0600));
  site.drop("bob@example.com", "text");
  site.collect();
  CHECK(site.taken.size() == 1);
  CHECK(site.count("corrupt") == 3);
  CHECK(site.count("maildrop") == 1);  // the unfinished one is somebody's still
}
