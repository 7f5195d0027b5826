#include "bounce/notice.h"

#include <catch2/catch.hpp>

#include "bounce/rules.h"
#include "lib/config/catalogue.h"
#include "lib/config/values.h"
#include "lib/message/header.h"

using namespace postrider;
using namespace postrider::bounce;
using protocol::Notify;

namespace {

const ManualClock a_clock;
const std::string content = "From: ann@example.org\nSubject: x\n\nbody\n";

Rules rules() {
  Rules r;
  r.hostname = "mail.example.org";
  r.mail_name = "Postrider";
  r.origin = "example.org";
  r.double_bounce_sender = "double-bounce@example.org";
  r.double_bounce_recipient = r.bounce_recipient = r.delay_recipient = "postmaster@example.org";
  return r;
}

queue::Envelope envelope() {
  queue::Envelope e;
  e.id = queue::QueueId::make_short(a_clock.wall(), 1);
  e.arrival = a_clock.wall();
  e.sender = "ann@example.org";
  e.recipients.resize(1);
  e.recipients[0].address = "bob@example.net";
  e.recipients[0].dsn = "5.1.1";
  e.recipients[0].reason = "unknown user: \"bob\"";
  return e;
}

Plan plan_for(Notify::Kind kind, const queue::Envelope& e, const Rules& r = rules(), std::string ways = "",
              std::uint64_t length = 100) {
  Notify request;
  request.kind = kind;
  request.ways = std::move(ways);
  request.content.length = length;
  return plan(request, e, r, a_clock.wall(), {});
}

}  // namespace

TEST_CASE("an undeliverable message returns to its sender from nobody") {
  const Plan p = plan_for(Notify::Kind::failed, envelope());
  REQUIRE(p.notices.size() == 1);
  const Notice& n = p.notices[0];
  CHECK(n.words == "sender non-delivery notification");
  CHECK(n.required);
  CHECK(n.report.returned == dsn::Returned::full);
  const auto id = queue::QueueId::make_short(a_clock.wall(), 2);
  const Letter letter = compose(n, id, content);
  CHECK(letter.envelope.id == id);
  CHECK(letter.envelope.sender.empty());
  REQUIRE(letter.envelope.recipients.size() == 1);
  CHECK(letter.envelope.recipients[0].address == "ann@example.org");
  CHECK(letter.envelope.has(queue::flag::bounce));
  CHECK(letter.envelope.size == letter.content.size());
  CHECK(letter.content.starts_with("Received: by mail.example.org (Postrider)\n\tid " + id.text() + "; "));
  CHECK(message::header_value(letter.content, "From") == "Mail Delivery System <MAILER-DAEMON@example.org>");
  CHECK(message::header_value(letter.content, "Subject") == "Undelivered Mail Returned to Sender");
  CHECK(letter.content.find("unknown user: \"bob\"") != std::string::npos);
  CHECK(letter.content.find(content) != std::string::npos);
  CHECK(queue::encode(letter.envelope).has_value());
}

TEST_CASE("a bounce is never answered by a bounce") {
  queue::Envelope e = envelope();
  e.sender.clear();
  for (const Notify::Kind kind :
       {Notify::Kind::failed, Notify::Kind::delayed, Notify::Kind::succeeded, Notify::Kind::verified})
    CHECK(plan_for(kind, e).notices.empty());
  Rules told = rules();
  told.notify_double_bounce = true;
  const Plan p = plan_for(Notify::Kind::failed, e, told);
  REQUIRE(p.notices.size() == 1);
  CHECK(p.notices[0].sender == "double-bounce@example.org");
  CHECK(p.notices[0].words == "postmaster non-delivery notification");
  CHECK(p.notices[0].report.to.internal() == "postmaster@example.org");
  CHECK(p.notices[0].report.returned == dsn::Returned::headers);
  CHECK(plan_for(Notify::Kind::delayed, e, told).notices.empty());
}

TEST_CASE("mail from the double-bounce sender is answered to nobody") {
  Rules told = rules();
  told.notify_double_bounce = told.notify_bounce = true;
  queue::Envelope e = envelope();
  e.sender = "Double-Bounce@example.org";
  const Plan p = plan_for(Notify::Kind::failed, e, told);
  CHECK(p.notices.empty());
  CHECK(p.remark == "undeliverable postmaster notification discarded");
  e.sender = "else@example.org";
  e.flags = queue::flag::bounce;
  CHECK(plan_for(Notify::Kind::failed, e, told).notices.empty());
}

TEST_CASE("NOTIFY decides for every recipient by itself") {
  queue::Envelope e = envelope();
  e.recipients.resize(5, e.recipients[0]);
  e.recipients[1].notify = queue::notify::never;
  e.recipients[2].notify = queue::notify::failure;
  e.recipients[3].notify = queue::notify::delay;
  e.recipients[4].notify = queue::notify::success;
  for (std::size_t i = 0; i < 5; ++i) e.recipients[i].address = "r" + std::to_string(i) + "@example.net";
  const auto told = [&](Notify::Kind kind) {
    std::string out;
    for (const auto& r : plan_for(kind, e).notices.at(0).report.recipients) out += r.recipient.local;
    return out;
  };
  CHECK(told(Notify::Kind::failed) == "r0r2");
  CHECK(told(Notify::Kind::delayed) == "r0r3");
  e.recipients = {e.recipients[1]};
  CHECK(plan_for(Notify::Kind::failed, e).notices.empty());
  CHECK(plan_for(Notify::Kind::succeeded, e).notices.empty());
}

TEST_CASE("the message comes back whole only within the limit and as the sender asked") {
  queue::Envelope e = envelope();
  const auto returned = [&](Notify::Kind kind, std::uint64_t length) {
    return plan_for(kind, e, rules(), "", length).notices.at(0).report.returned;
  };
  CHECK(returned(Notify::Kind::failed, 50'000) == dsn::Returned::full);
  CHECK(returned(Notify::Kind::failed, 50'001) == dsn::Returned::headers);
  CHECK(returned(Notify::Kind::delayed, 100) == dsn::Returned::headers);
  CHECK(returned(Notify::Kind::succeeded, 100) == dsn::Returned::headers);
  e.dsn_return = queue::DsnReturn::headers;
  CHECK(returned(Notify::Kind::failed, 100) == dsn::Returned::headers);
  e.dsn_return = queue::DsnReturn::full;
  CHECK(returned(Notify::Kind::failed, 100) == dsn::Returned::full);
  const dsn::Report headers = plan_for(Notify::Kind::delayed, e).notices.at(0).report;
  CHECK(content_wanted(headers, 1'000'000, 50'000) == 50'000);
  CHECK(content_wanted(headers, 100, 50'000) == 100);
}

TEST_CASE("a header that is cut off ends with a whole line") {
  const Notice n = plan_for(Notify::Kind::delayed, envelope()).notices.at(0);
  const Letter letter =
      compose(n, queue::QueueId::make_short(a_clock.wall(), 2), "From: ann\nSubject: cut he");
  CHECK(letter.content.find("From: ann\n\n--") != std::string::npos);
  CHECK(letter.content.find("cut he") == std::string::npos);
}

TEST_CASE("a success report says how") {
  queue::Envelope e = envelope();
  e.recipients[0].dsn = "2.0.0";
  e.recipients.resize(4, e.recipients[0]);
  const Plan p = plan_for(Notify::Kind::succeeded, e, rules(), "der");
  REQUIRE(p.notices.size() == 1);
  CHECK(p.notices[0].words == "sender delivery status notification");
  const auto& r = p.notices[0].report.recipients;
  CHECK(r[0].action == dsn::Action::delivered);
  CHECK(r[1].action == dsn::Action::expanded);
  CHECK(r[2].action == dsn::Action::relayed);
  CHECK(r[3].action == dsn::Action::delivered);
}

TEST_CASE("a trial is reported in one form, good or bad") {
  queue::Envelope e = envelope();
  e.flags = queue::flag::verify;
  const Plan bad = plan_for(Notify::Kind::failed, e);
  CHECK(bad.notices.at(0).report.kind == dsn::Kind::verified);
  CHECK(bad.notices.at(0).report.recipients.at(0).action == dsn::Action::undeliverable);
  e.recipients[0].dsn = "2.1.5";
  const Plan good = plan_for(Notify::Kind::verified, e);
  CHECK(good.notices.at(0).report.recipients.at(0).action == dsn::Action::deliverable);
  const Letter letter = compose(good.notices[0], queue::QueueId::make_short(a_clock.wall(), 2), content);
  CHECK(message::header_value(letter.content, "Subject") == "Mail Delivery Status Report");
  CHECK(letter.content.find("\nAction: deliverable\n") != std::string::npos);
}

TEST_CASE("postmaster gets copies of headers when the administrator asked") {
  Rules told = rules();
  told.notify_bounce = told.notify_delay = true;
  const Plan p = plan_for(Notify::Kind::failed, envelope(), told);
  REQUIRE(p.notices.size() == 2);
  CHECK_FALSE(p.notices[1].required);
  CHECK(p.notices[1].sender == "double-bounce@example.org");
  CHECK(p.notices[1].report.to.internal() == "postmaster@example.org");
  CHECK(p.notices[1].report.returned == dsn::Returned::headers);
  CHECK(p.notices[0].report.returned == dsn::Returned::full);
  CHECK(plan_for(Notify::Kind::delayed, envelope(), told).notices.size() == 2);
  CHECK(plan_for(Notify::Kind::succeeded, envelope(), told).notices.size() == 1);
}

TEST_CASE("rules come from parameters under Postfix's names") {
  config::Values values = config::Values::of_text(
      "myhostname = mail.example.org\nmydomain = example.org\nmyorigin = $mydomain\nnotify_classes = Delay, "
      "2bounce\n"
      "bounce_size_limit = 1000\n2bounce_notice_recipient = boss@example.com\n");
  BounceConfig config;
  config::Identity identity;
  REQUIRE(config::load(values, {&config, &identity}));
  const auto made = make_rules(config, identity, os::system_files());
  REQUIRE(made);
  CHECK(made->origin == "example.org");
  CHECK(made->double_bounce_sender == "double-bounce@example.org");
  CHECK(made->double_bounce_recipient == "boss@example.com");
  CHECK(made->bounce_recipient == "postmaster@example.org");
  CHECK(made->notify_delay);
  CHECK(made->notify_double_bounce);
  CHECK_FALSE(made->notify_bounce);
  CHECK(made->size_limit == 1000);
  config::Catalogue catalogue;
  declare_bounce(catalogue);
  CHECK(catalogue.conflicts().empty());
}
