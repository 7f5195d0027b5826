#include "lib/mailbox/maildir_delivery.h"

#include <catch2/catch.hpp>

#include <cerrno>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/core.h>

#include "tests/unit/mailbox/mailbox_files.h"
#include "tests/unit/os/faulty_files.h"

using namespace postrider;
using namespace postrider::mailbox;
using test::content_of;
using test::names_in;
using test::put;
using test::TemporaryDirectory;

namespace {

Delivery delivery(const std::string& directory, std::string_view head, std::string_view body) {
  Delivery one;
  one.directory = directory;
  one.content.head = head;
  one.content.bytes = body;
  return one;
}

}  // namespace

TEST_CASE("a delivered message is in new/ with both sizes in its name and nothing in tmp/") {
  TemporaryDirectory dir;
  ManualClock clock;
  MaildirDelivery agent(os::system_files(), clock, "host", 0);
  const auto done =
      agent.deliver(delivery(dir / "u/Maildir", "Return-Path: <a@b>\n", "Subject: x\n\nbody\n"));
  REQUIRE(done);
  CHECK(done->size == 36);
  CHECK(done->name == fmt::format("1704067200.M0P{}Q1.host,S=36,W=40", ::getpid()));
  CHECK(content_of(dir / ("u/Maildir/new/" + done->name)) == "Return-Path: <a@b>\nSubject: x\n\nbody\n");
  CHECK(names_in(dir / "u/Maildir/tmp").empty());
  CHECK(names_in(dir / "u/Maildir") == std::vector<std::string>{"cur", "new", "tmp"});
  const auto mode = os::system_files().stat(dir / "u/Maildir");
  CHECK(mode->mode == 0700);
}

TEST_CASE("lines that end in CRLF already are not counted twice") {
  TemporaryDirectory dir;
  ManualClock clock;
  MaildirDelivery agent(os::system_files(), clock, "host", 0);
  const auto done = agent.deliver(delivery(dir / "m", "", "a\r\nb\n\r\n"));
  REQUIRE(done);
  CHECK(done->name.ends_with(",S=7,W=8"));
}

TEST_CASE("content comes from a range of a descriptor, in blocks, without its position") {
  TemporaryDirectory dir;
  ManualClock clock;
  std::string body;
  while (body.size() < 300'000) body += "0123456789012345678901234567890\n";
  put(dir / "queue", "before" + body + "after");
  const auto fd = os::system_files().open(dir / "queue", O_RDONLY);
  REQUIRE(fd);
  Delivery one;
  one.directory = dir / "m";
  one.content.head = "Delivered-To: x\n";
  one.content.fd = fd->get();
  one.content.offset = 6;
  one.content.length = body.size();
  MaildirDelivery agent(os::system_files(), clock, "host", 0);
  const auto done = agent.deliver(one);
  REQUIRE(done);
  CHECK(content_of(dir / ("m/new/" + done->name)) == "Delivered-To: x\n" + body);
  CHECK(
      done->name.ends_with(fmt::format(",S={},W={}", 16 + body.size(), 17 + body.size() + body.size() / 32)));

  one.content.length += 100;
  const auto cut = agent.deliver(one);
  REQUIRE_FALSE(cut);
  CHECK(cut.error().is(Trouble::temporary));
  CHECK(names_in(dir / "m/new").size() == 1);
  CHECK(names_in(dir / "m/tmp").empty());
}

TEST_CASE("a batch goes to many Maildirs through threads, each message once and in order") {
  TemporaryDirectory dir;
  SystemClock clock;
  MaildirDelivery agent(os::system_files(), clock, "host", 4);
  std::vector<std::string> bodies;
  for (int i = 0; i < 200; ++i) bodies.push_back(fmt::format("Subject: {}\n\n", i));
  for (int round = 0; round < 2; ++round) {
    std::vector<Delivery> batch;
    for (int i = 0; i < 200; ++i) {
      batch.push_back(delivery(dir / fmt::format("m{}", i % 3), "", bodies[static_cast<std::size_t>(i)]));
    }
    const auto results = agent.deliver_batch(batch);
    REQUIRE(results.size() == batch.size());
    std::string last;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      REQUIRE(results[i]);
      CHECK((last.empty() || arrived_before(last, results[i]->name)));
      last = results[i]->name;
      CHECK(content_of(batch[i].directory + "/new/" + last) == bodies[i]);
    }
  }
  CHECK(names_in(dir / "m0/new").size() + names_in(dir / "m1/new").size() + names_in(dir / "m2/new").size() ==
        400);
}

TEST_CASE("one bad delivery of a batch does not touch the others") {
  TemporaryDirectory dir;
  ManualClock clock;
  put(dir / "file", "not a directory");
  MaildirDelivery agent(os::system_files(), clock, "host", 0);
  std::vector<Delivery> batch{delivery(dir / "m", "", "one\n"), delivery(dir / "file", "", "two\n"),
                              delivery(dir / "m", "", "three, too long\n"),
                              delivery(dir / "m", "", "four\n")};
  batch[2].size_limit = 10;
  const auto results = agent.deliver_batch(batch);
  CHECK(results[0].has_value());
  CHECK_FALSE(results[1].has_value());
  REQUIRE_FALSE(results[2].has_value());
  CHECK(results[2].error().is(Trouble::permanent));
  CHECK(results[3].has_value());
  CHECK(names_in(dir / "m/new").size() == 2);
}

TEST_CASE("a folder of a Maildir++ tree gets its marker file") {
  TemporaryDirectory dir;
  REQUIRE(create_maildir(os::system_files(), dir / "Maildir/.Sent"));
  CHECK(names_in(dir / "Maildir/.Sent") == std::vector<std::string>{"cur", "maildirfolder", "new", "tmp"});
}

TEST_CASE("a quota in maildirsize is obeyed and kept up to date") {
  TemporaryDirectory dir;
  ManualClock clock;
  put(dir / "m/maildirsize", "100S,5C\n40 2\n");
  MaildirDelivery agent(os::system_files(), clock, "host", 0);
  const std::string body(30, 'x');
  const std::vector<Delivery> batch(3, delivery(dir / "m", "", body));
  const auto results = agent.deliver_batch(batch);
  CHECK(results[0].has_value());
  CHECK(results[1].has_value());
  REQUIRE_FALSE(results[2].has_value());
  CHECK(results[2].error().is(Trouble::no_space));
  CHECK(content_of(dir / "m/maildirsize") == "100S,5C\n40 2\n60 2\n");
}

TEST_CASE("planted links and FIFOs in a Maildir are neither followed nor waited for") {
  TemporaryDirectory dir;
  ManualClock clock;
  put(dir / "victim", "precious");
  REQUIRE(create_maildir(os::system_files(), dir / "m"));
  // The next name is guessable here since the clock stands still.
  const auto guess = fmt::format("1704067200.M0P{}Q1.host", ::getpid());
  REQUIRE(::symlink((dir / "victim").c_str(), (dir / ("m/tmp/" + guess)).c_str()) == 0);
  REQUIRE(::mkfifo((dir / "m/maildirsize").c_str(), 0600) == 0);
  MaildirDelivery agent(os::system_files(), clock, "host", 0);
  CHECK_FALSE(agent.deliver(delivery(dir / "m", "", "text\n")).has_value());
  CHECK(agent.deliver(delivery(dir / "m", "", "text\n")).has_value());
  CHECK(content_of(dir / "victim") == "precious");
}

TEST_CASE("whichever call fails, a success is complete and a failure leaves nothing in new/") {
  ManualClock clock;
  for (const int os_error : {ENOSPC, EIO, EDQUOT, EMFILE}) {
    for (std::size_t k = 1;; ++k) {
      TemporaryDirectory dir;
      os::test::FaultyFiles faulty;
      faulty.fail_call(k, os_error, {}, true);
      MaildirDelivery agent(faulty, clock, "host", 0);
      const auto done = agent.deliver(delivery(dir / "a/m", "Return-Path: <>\n", "text\n"));
      CAPTURE(k, os_error);
      const auto found = names_in(dir / "a/m/new");
      CHECK(names_in(dir / "a/m/tmp").empty());
      if (done) {
        REQUIRE(found.size() == 1);
        CHECK(content_of(dir / ("a/m/new/" + found[0])) == "Return-Path: <>\ntext\n");
      } else {
        // Only the last step, making the directory durable, may leave a message behind.
        CHECK((found.empty() || done.error().text().find("/new") != std::string::npos));
        if (found.empty() && (os_error == ENOSPC || os_error == EDQUOT))
          CHECK(done.error().is(Trouble::no_space));
      }
      if (!faulty.failed()) break;
      REQUIRE(k < 100);
    }
  }
}

TEST_CASE("nothing is reported before file and directory are durable, in that order") {
  TemporaryDirectory dir;
  ManualClock clock;
  REQUIRE(create_maildir(os::system_files(), dir / "m"));
  os::test::RecordingFiles files;
  MaildirDelivery agent(files, clock, "host", 0);
  const std::vector<Delivery> batch(3, delivery(dir / "m", "", "text\n"));
  for (const auto& result : agent.deliver_batch(batch)) REQUIRE(result);
  std::set<std::string> durable;
  std::size_t renamed = 0;
  bool directory_durable = false;
  for (const auto& call : files.changes()) {
    if (call.name == "write") durable.erase(call.path);
    if (call.name == "fsync") durable.insert(call.path);
    if (call.name == "rename") {
      CHECK(durable.contains(call.path));
      directory_durable = false;
      ++renamed;
    }
    if (call.name == "sync_directory" && call.path == dir / "m/new") directory_durable = true;
  }
  CHECK(renamed == 3);
  CHECK(directory_durable);
}

TEST_CASE(
    "a young Maildir that somebody else made is made durable with the first delivery into it, an old one "
    "not") {
  TemporaryDirectory dir;
  ManualClock clock;
  const auto names_synced = [&](const char* user) {
    const std::string home = dir / user;
    REQUIRE(::mkdir(home.c_str(), 0700) == 0);
    for (const char* part : {"/m", "/m/tmp", "/m/new", "/m/cur"})
      REQUIRE(::mkdir((home + part).c_str(), 0700) == 0);
    const auto status = os::system_files().stat(home);
    REQUIRE(status);
    clock.set_wall(status->modified + (user == std::string_view("old") ? Seconds{86400} : Seconds{1}));
    os::test::RecordingFiles files;
    MaildirDelivery agent(files, clock, "host", 0);
    std::size_t synced = 0;
    for (int i = 0; i < 2; ++i) REQUIRE(agent.deliver(delivery(home + "/m", "", "text\n")));
    for (const auto& call : files.changes())
      if (call.name == "sync_directory" && (call.path == home || call.path == home + "/m")) ++synced;
    return synced;
  };
  CHECK(names_synced("young") == 2);  // home and m, once
  CHECK(names_synced("old") == 0);
}
