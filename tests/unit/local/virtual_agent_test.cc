#include "local/virtual_agent.h"

#include <catch2/catch.hpp>

#include <fmt/core.h>

#include "tests/unit/local/post_office.h"

using namespace postrider;
using namespace postrider::local;
using test::content_of;
using test::names_in;
using Kind = RecipientOutcome::Kind;

namespace {

struct Office : test::PostOffice {
  explicit Office(const std::string& main_cf, bool as_root = false) {
    auto values = config::Values::of_text(fmt::format(
        "virtual_mailbox_base = {}/boxes\nrecipient_delimiter = +\n{}\n", directory.path(), main_cf));
    REQUIRE(config::load(
        values, {&settings.box, &settings.delivery, &settings.domains, &settings.limits, &settings.tables}));
    agent = std::make_unique<VirtualAgent>(
        VirtualAgent::Surroundings{loop, log, os::system_files(), tasks, stop.token(), as_root, "virtual"},
        settings);
  }
  ~Office() {
    stop.stop();
    loop.run_until_done(tasks.join());
  }
  std::vector<RecipientOutcome> deliver(const std::vector<std::string>& recipients,
                                        const std::string& content = "Subject: x\n\nhello\n") {
    return send(
        [this](ipc::Channel& peer, ipc::Frame frame) { return agent->handle(peer, std::move(frame)); },
        recipients, content);
  }
  VirtualSettings settings;
  std::unique_ptr<VirtualAgent> agent;
};

const char* const maps =
    "virtual_mailbox_maps = inline:{{ann@example.org=example.org/ann/}, {box@example.org=example.org/box}, "
    "{@catch.example=catch/all/}, {evil@example.org=../../etc/passwd}}";

}  // namespace

TEST_CASE("virtual mailboxes are Maildirs or files as their table says") {
  Office office(maps);
  REQUIRE(make_directories(os::system_files(), office.directory / "boxes/example.org", 0700));
  const auto outcomes = office.deliver({"Ann+x@Example.Org", "box@example.org", "anyone@catch.example"});
  REQUIRE(outcomes.size() == 3);
  for (const auto& outcome : outcomes) {
    CHECK(outcome.kind == Kind::delivered);
    CHECK(outcome.reason == (outcome.index == 1 ? "delivered to mailbox" : "delivered to maildir"));
  }
  const auto names = names_in(office.directory / "boxes/example.org/ann/new");
  REQUIRE(names.size() == 1);
  CHECK(
      content_of(office.directory / ("boxes/example.org/ann/new/" + names[0])) ==
      "Return-Path: <sender@example.net>\nX-Original-To: Ann+x@Example.Org\nDelivered-To: Ann+x@Example.Org\n"
      "Subject: x\n\nhello\n");
  CHECK(content_of(office.directory / "boxes/example.org/box").starts_with("From sender@example.net  "));
  CHECK(names_in(office.directory / "boxes/catch/all/new").size() == 1);
  CHECK(office.log.contains("to=<box@example.org>, relay=virtual"));
}

TEST_CASE("unknown addresses bounce, bad tables defer, and no table leads out of the base") {
  Office office(maps);
  const auto unknown = office.deliver({"nobody@example.org"});
  CHECK(unknown[0].kind == Kind::bounced);
  CHECK(unknown[0].dsn == "5.1.1");
  CHECK(unknown[0].reason == "unknown user: \"nobody@example.org\"");
  const auto outcomes = office.deliver({"evil@example.org"});
  CHECK(outcomes[0].kind == Kind::deferred);
  CHECK(outcomes[0].dsn == "4.3.5");
}

TEST_CASE("owners come from tables, and never below virtual_minimum_uid or root") {
  Office office(
      std::string(maps) +
          "\nvirtual_uid_maps = inline:{{ann@example.org=0}, {box@example.org=99}, {@catch.example=x}}\n"
          "virtual_gid_maps = static:5000",
      true);
  for (const char* address : {"ann@example.org", "box@example.org", "a@catch.example"}) {
    const auto outcomes = office.deliver({address});
    CAPTURE(address);
    CHECK(outcomes[0].kind == Kind::deferred);
    CHECK(outcomes[0].dsn == "4.3.5");
  }
  CHECK(office.log.contains("recipient ann@example.org: bad value \"0\" in virtual_uid_maps"));
  CHECK(names_in(office.directory / "boxes").empty());
}

TEST_CASE("a loop is found by Delivered-To in virtual mailboxes too") {
  Office office(maps);
  const auto outcomes = office.deliver({"ann@example.org"}, "Delivered-To: ann@example.org\n\nx\n");
  CHECK(outcomes[0].dsn == "5.4.6");
}
