#include "cleanup/inspector.h"

#include "lib/message/header.h"
#include "tests/unit/cleanup/site.h"

using namespace postrider;
using namespace postrider::cleanup;
using namespace postrider::cleanup::test;
using Outcome = protocol::Submitted::Outcome;

namespace {

struct Tables {
  os::test::TemporaryDirectory directory;
  SystemClock clock;
  MemoryLog log;
  Checks checks;

  void set(table::Maps& maps, const std::string& rules) {
    static int number = 0;
    const std::string path = directory / ("rules" + std::to_string(++number));
    REQUIRE(os::replace_file(os::system_files(), path, rules, 0600));
    maps = table::Maps::open("checks", "regexp:" + path,
                             {.files = os::system_files(), .log = log, .clock = clock});
  }
  // The message after inspection, its body in pieces of `step`.
  std::string inspect(const std::string& message, std::size_t step = 100'000,
                      Judgement* judgement = nullptr) {
    Inspector inspector(checks);
    message::HeaderScanner scanner(message);
    std::vector<std::string> fields;
    while (const auto field = scanner.next()) fields.emplace_back(field->raw);
    inspector.header(fields);
    std::string out;
    for (const std::string& field : fields) out += field;
    out += '\n';
    const std::string body = message.substr(scanner.body_offset());
    for (std::size_t at = 0; at < body.size(); at += step)
      inspector.body(std::string_view(body).substr(at, step), out);
    inspector.finish(out);
    if (judgement != nullptr) *judgement = inspector.judge();
    return out;
  }
};

const std::string parts =
    "From: a@b\nContent-Type: multipart/mixed;\n boundary=\"AA\"\n\npreamble\n--AA\nContent-Type: "
    "text/plain;\n name=x\n"
    "\nline one\nline two\n--AA\nContent-Type: message/rfc822\n\nSubject: inner\nX-Inner: y\n\ninner "
    "body\n--AA\n"
    "Content-Type: multipart/alternative; boundary=BB\n\n--BB\nContent-ID: "
    "7\n\ndeep\n--BB--\nafter\n--AA--\nepilogue";

}  // namespace

TEST_CASE("a message nobody objects to passes byte for byte, in any pieces") {
  Tables t;
  t.set(t.checks.body, "/never seen/ REJECT\n");
  t.set(t.checks.header, "/never seen/ REJECT\n");
  for (const std::string& message : {parts, parts + "\n", "A: b\n\n" + std::string(10'000, 'x') + "\ny\n",
                                     std::string("A: b\n\n"), std::string("A: b\n\n\n--\n--AA\n")}) {
    const std::string whole = t.inspect(message);
    CHECK(whole == message);
    for (const std::size_t step : {1U, 2U, 3U, 7U, 100U, 2047U, 2048U, 2049U})
      CHECK(t.inspect(message, step) == whole);
  }
}

TEST_CASE("each kind of header is asked of its own table") {
  Tables t;
  t.set(t.checks.header, "/./ WARN own\n");
  t.set(t.checks.mime_header, "/./ WARN mime\n");
  t.set(t.checks.nested_header, "/./ WARN nested\n");
  Judgement judgement;
  t.inspect(parts, 5, &judgement);
  std::vector<std::string> seen;
  for (const Finding& f : judgement.findings)
    seen.push_back(f.explanation + " " + f.content.substr(0, f.content.find(':')));
  CHECK(seen == std::vector<std::string>{"own From", "mime Content-Type", "mime Content-Type",
                                         "mime Content-Type", "nested Subject", "nested X-Inner",
                                         "mime Content-Type", "mime Content-ID"});
  CHECK(judgement.findings[1].where == "mime-header");
  CHECK(judgement.findings[1].content.find("boundary") != std::string::npos);  // one logical line
}

TEST_CASE("lines are removed, replaced and preceded by others") {
  Tables t;
  t.set(t.checks.header,
        "/^X-Secret:/ IGNORE\n/^Subject: (.*)/ REPLACE Subject: [x] $1\n/^From:/ PREPEND X-Seen: yes\n");
  t.set(t.checks.body, "/bad/ REPLACE good\n/gone/ STRIP\n/here/ PREPEND before\n");
  CHECK(t.inspect("From: a\nX-Secret: s\n more\nSubject: hi\n\nbad\ngone\nhere\n") ==
        "X-Seen: yes\nFrom: a\nSubject: [x] hi\n\ngood\nbefore\nhere\n");
}

TEST_CASE("a replacement that is no header does not end the header") {
  Tables t;
  t.set(t.checks.header, "/^Subject:/ REPLACE no header\n/^From:/ PREPEND neither\n");
  CHECK(t.inspect("From: a\nSubject: hi\n\nb\n") == "From: a\nSubject: hi\n\nb\n");
}

TEST_CASE("the body is looked at up to its limit, in each part") {
  Tables t;
  t.checks.body_limit = 10;
  t.set(t.checks.body, "/find/ WARN\n");
  Judgement judgement;
  t.inspect(
      "Content-Type: multipart/mixed; "
      "boundary=A\n\n0123456789\nfind\n--A\n\nfind\n0123456\nfind\n--A\n\nfind\n",
      100, &judgement);
  CHECK(judgement.findings.size() == 2);
}

TEST_CASE("nesting beyond the limit is text") {
  Tables t;
  t.checks.nesting_limit = 3;
  t.set(t.checks.mime_header, "/boundary/ WARN\n");
  std::string message;
  for (int i = 0; i < 50; ++i)
    message += "Content-Type: multipart/mixed; boundary=b" + std::to_string(i) + "x\n\n--b" +
               std::to_string(i) + "x\n";
  Judgement judgement;
  CHECK(t.inspect(message, 11, &judgement) == message);
  CHECK(judgement.findings.size() == 4);
}

TEST_CASE("checks decide what becomes of a message") {
  os::test::TemporaryDirectory rules;
  REQUIRE(os::replace_file(
      os::system_files(), rules / "header",
      "/^Subject: reject/ REJECT 5.7.9 not wanted\n/^Subject: later/ REJECT 4.7.0 later\n"
      "/^Subject: discard/ DISCARD\n/^Subject: hold/ HOLD suspicious\n"
      "/^Subject: filter/ FILTER scan:[127.0.0.1]:10025\n/^Subject: elsewhere/ REDIRECT eve@example.com\n"
      "/^Subject: copy/ BCC copy@example.com\n/^Subject: pass/ PASS\n/^Subject: odd/ DANCE\n",
      0600));
  REQUIRE(os::replace_file(os::system_files(), rules / "body", "/virus/ REJECT\n", 0600));
  Site site("header_checks = regexp:" + (rules / "header") + "\nbody_checks = regexp:" + (rules / "body") +
            "\n");
  const auto send = [&](const std::string& subject, const std::string& body = "text\n",
                        Site::Origin origin = Site::Origin::network) {
    auto envelope = Site::envelope({"bob@example.com"});
    envelope.client = {"mx.example.net", "", "192.0.2.1", "25", "helo.example", "ESMTP"};
    return site.submit(
        envelope, "From: a@b.c\nTo: d@e.f\nDate: x\nMessage-Id: <1>\nSubject: " + subject + "\n\n" + body,
        origin);
  };
  auto answer = send("reject me");
  CHECK(answer.outcome == Outcome::rejected);
  CHECK(answer.dsn == "5.7.9");
  CHECK(answer.reply == "not wanted");
  CHECK(site.log().find(
            ": reject: header Subject: reject me from mx.example.net[192.0.2.1]; from=<ann@example.net> "
            "to=<bob@example.com> proto=ESMTP helo=<helo.example>: 5.7.9 not wanted\n") != std::string::npos);
  CHECK(send("later").dsn == "4.7.0");
  CHECK(send("discard").outcome == Outcome::discarded);
  answer = send("fine", "a virus\n");
  CHECK(answer.outcome == Outcome::rejected);
  CHECK(answer.reply == "message content rejected");
  CHECK(site.stored().empty());
  CHECK(send("fine", "a virus\n", Site::Origin::internal).outcome == Outcome::queued);
  CHECK(send("hold").outcome == Outcome::queued);
  CHECK(send("filter").outcome == Outcome::queued);
  CHECK(send("elsewhere").outcome == Outcome::queued);
  CHECK(send("copy").outcome == Outcome::queued);
  CHECK(send("pass", "a virus\n").outcome == Outcome::queued);
  CHECK(send("odd").outcome == Outcome::queued);
  const auto all = site.stored();
  REQUIRE(all.size() == 7);
  CHECK(all[1].envelope.has(queue::flag::hold));
  CHECK(all[2].envelope.content_filter == "scan:[127.0.0.1]:10025");
  CHECK(all[3].recipients() == std::vector<std::string>{"eve@example.com"});
  CHECK(all[4].recipients() == std::vector<std::string>{"bob@example.com", "copy@example.com"});
}

TEST_CASE("a header put in front of an address header does not hide it from rewriting") {
  os::test::TemporaryDirectory rules;
  REQUIRE(os::replace_file(os::system_files(), rules / "header", "/^To:/ PREPEND X-New: 1\n", 0600));
  Site site("header_checks = regexp:" + (rules / "header") + "\n");
  CHECK(site.submit(Site::envelope({"bob@example.com"}),
                    "From: a@b.c\nDate: x\nMessage-Id: <1>\nTo: carol\n\nb\n", Site::Origin::local)
            .outcome == Outcome::queued);
  CHECK(site.only().content ==
        "From: a@b.c\nDate: x\nMessage-Id: <1>\nX-New: 1\nTo: carol@example.org\n\nb\n");
}

TEST_CASE("checks see content that arrives byte by byte as they see it whole") {
  os::test::TemporaryDirectory rules;
  REQUIRE(os::replace_file(os::system_files(), rules / "body", "/two/ REPLACE zwei\n", 0600));
  Site site("body_checks = regexp:" + (rules / "body") + "\n");
  for (const std::size_t step : {1U, 1000U})
    CHECK(site.submit(Site::envelope({"bob@example.com"}), parts, Site::Origin::network, step).outcome ==
          Outcome::queued);
  const auto all = site.stored();
  CHECK(all[0].content.find("line one\nzwei\n--AA\n") != std::string::npos);
  CHECK(all[0].content.substr(0, all[0].content.find("Message-Id")) ==
        all[1].content.substr(0, all[1].content.find("Message-Id")));
}
