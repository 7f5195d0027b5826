#include "local/pipe_agent.h"

#include <catch2/catch.hpp>

#include <fmt/core.h>

#include "tests/unit/local/post_office.h"

using namespace postrider;
using namespace postrider::local;
using test::content_of;
using Kind = RecipientOutcome::Kind;

namespace {

queue::Envelope envelope_for(std::vector<std::string> recipients) {
  queue::Envelope envelope;
  envelope.sender = "sender@example.net";
  for (auto& address : recipients) {
    queue::Recipient recipient;
    recipient.address = std::move(address);
    envelope.recipients.push_back(recipient);
  }
  return envelope;
}

std::vector<std::string> command_line(std::vector<std::string> arguments, const queue::Envelope& envelope) {
  const auto service = parse_pipe_service(arguments);
  if (!service) return {service.error().text()};
  const auto command = expand_command(*service, envelope, "next.example", "+");
  return command ? *command : std::vector<std::string>{command.error().text()};
}

struct Office : test::PostOffice {
  explicit Office(std::vector<std::string> arguments, const std::string& main_cf = "") {
    auto values = config::Values::of_text("recipient_delimiter = +\n" + main_cf);
    REQUIRE(config::load(values, {&settings.delivery, &settings.pipe, &settings.domains, &settings.limits}));
    auto service = parse_pipe_service(arguments);
    REQUIRE(service);
    agent = std::make_unique<PipeAgent>(
        PipeAgent::Surroundings{loop, log, tasks, stop.token(), false, "filter", {"LANG=C"}}, settings,
        *service, Seconds{5});
  }
  ~Office() {
    stop.stop();
    loop.run_until_done(tasks.join());
  }
  std::vector<RecipientOutcome> deliver(const std::vector<std::string>& recipients,
                                        const std::string& content) {
    return send(
        [this](ipc::Channel& peer, ipc::Frame frame) { return agent->handle(peer, std::move(frame)); },
        recipients, content);
  }
  PipeSettings settings;
  std::unique_ptr<PipeAgent> agent;
};

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("a pipe service's arguments are read as master.cf has them") {
  const auto service = parse_pipe_service({"flags=DRhu", "user=vmail:mail", "eol=\\r\\n", "size=100",
                                           "argv=/bin/x", "-f", "${sender}", "flags=no"});
  REQUIRE(service);
  CHECK(service->user == "vmail:mail");
  CHECK(service->delivered_to);
  CHECK(service->return_path);
  CHECK(service->fold_domain);
  CHECK(service->line_end == "\r\n");
  CHECK(service->size_limit == 100);
  CHECK(service->command == Words{"/bin/x", "-f", "${sender}", "flags=no"});
  for (const Words& bad : {Words{}, Words{"user=x"}, Words{"argv=/x"}, Words{"flags=Z", "user=x", "argv=/x"},
                           Words{"user=x", "what=ever", "argv=/x"}, Words{"user=x", "argv="}}) {
    const auto wrong = parse_pipe_service(bad);
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().is(Trouble::configuration));
  }
}

TEST_CASE("arguments that mention a recipient are repeated, the others are not") {
  const auto envelope = envelope_for({"Ann+lists@Example.Org", "bob@example.org"});
  CHECK(command_line({"flags=hu", "user=x", "argv=/bin/x", "-f", "${sender}", "-a", "${user}/${extension}",
                      "${recipient}", "${nexthop}"},
                     envelope) == Words{"/bin/x", "-f", "sender@example.net", "-a", "ann/lists", "bob/",
                                        "ann+lists@example.org", "bob@example.org", "next.example"});
}

TEST_CASE("an argument that expands to nothing keeps its place") {
  auto envelope = envelope_for({"@example.org"});
  envelope.sender.clear();
  CHECK(command_line({"user=x", "argv=/bin/x", "-u", "${user}", "-e", "${extension}", "-f", "${sender}"},
                     envelope) == Words{"/bin/x", "-u", "", "-e", "", "-f", "MAILER-DAEMON"});
  CHECK(command_line({"user=x", "null_sender=", "argv=/bin/x", "-f", "${sender}"}, envelope) ==
        Words{"/bin/x", "-f", ""});
}

TEST_CASE("an address cannot become an option, and spaces stay in one argument") {
  CHECK(command_line({"user=x", "argv=/bin/x", "${recipient}"}, envelope_for({"-oQ/tmp@example.org"})) ==
        Words{"bad address syntax: \"-oQ/tmp@example.org\""});
  CHECK(command_line({"user=x", "argv=/bin/x", "-r${recipient}", "${user}"},
                     envelope_for({"a b;c@example.org"})) == Words{"/bin/x", "-ra b;c@example.org", "a b;c"});
  CHECK(command_line({"flags=q", "user=x", "argv=/bin/x", "${recipient}"},
                     envelope_for({"a b@example.org"})) == Words{"/bin/x", "\"a b\"@example.org"});
}

TEST_CASE("the command gets the message as the flags want it") {
  test::TemporaryDirectory out;
  Office office(
      {"flags=DROF.>B", "user=nobody", "argv=/bin/sh", "-c", fmt::format("cat > {}/got", out.path())});
  const auto outcomes = office.deliver({"a@example.org"}, "Subject: x\n\n.dot\nFrom here\nlast");
  REQUIRE(outcomes.size() == 1);
  CHECK(outcomes[0].kind == Kind::relayed);
  CHECK(outcomes[0].reason == "delivered via filter service");
  const auto got = content_of(out / "got");
  CHECK(got.ends_with(
      "Return-Path: <sender@example.net>\nX-Original-To: a@example.org\nDelivered-To: a@example.org\n"
      "Subject: x\n\n..dot\n>From here\nlast\n\n"));
  CHECK(got.starts_with("From sender@example.net  "));
  CHECK(office.log.contains("relay=filter"));
}

TEST_CASE("lines end as eol= says") {
  test::TemporaryDirectory out;
  Office office({"user=nobody", "eol=\\r\\n", "argv=sh", "-c", fmt::format("cat > {}/got", out.path())});
  CHECK(office.deliver({"a@example.org"}, "Subject: x\n\nbody\n")[0].kind == Kind::relayed);
  CHECK(content_of(out / "got") == "Subject: x\r\n\r\nbody\r\n");
}

TEST_CASE("one failure of the command is every recipient's") {
  {
    Office office({"user=nobody", "argv=/bin/sh", "-c", "exit 69"});
    const auto outcomes = office.deliver({"a@example.org", "b@example.org"}, "x\n");
    REQUIRE(outcomes.size() == 2);
    for (const auto& outcome : outcomes) {
      CHECK(outcome.kind == Kind::bounced);
      CHECK(outcome.reason == "service unavailable");
    }
  }
  Office missing({"user=nobody", "argv=/no/such/program"});
  CHECK(missing.deliver({"a@example.org"}, "x\n")[0].kind == Kind::deferred);
}
