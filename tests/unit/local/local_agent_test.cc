#include "local/local_agent.h"

#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "tests/unit/local/post_office.h"

using namespace postrider;
using namespace postrider::local;
using test::content_of;
using test::names_in;
using test::put;
using Kind = RecipientOutcome::Kind;

namespace {

// The agent of an ordinary user. "nobody", "daemon" and "mail" are the accounts, all written to as him.
struct Office : test::PostOffice {
  explicit Office(const std::string& main_cf = "") {
    put(directory / "aliases", aliases);
    auto values = config::Values::of_text(
        fmt::format("mail_spool_directory = {0}/spool/\nforward_path = {0}/forward/$user\nalias_maps = "
                    "texthash:{0}/aliases\n"
                    "recipient_delimiter = +\nmyorigin = example.org\nmyhostname = host.example.org\n{1}\n",
                    directory.path(), main_cf));
    const auto loaded =
        config::load(values, {&settings.local, &settings.delivery, &settings.identity, &settings.domains,
                              &settings.limits, &settings.services, &settings.tables});
    INFO((loaded ? "" : loaded.error().text()));
    REQUIRE(loaded.has_value());
    agent = std::make_unique<LocalAgent>(LocalAgent::Surroundings{loop,
                                                                  log,
                                                                  os::system_files(),
                                                                  tasks,
                                                                  stop.token(),
                                                                  false,
                                                                  "local",
                                                                  "nobody",
                                                                  "nobody",
                                                                  {"TZ=UTC"}},
                                         settings);
    REQUIRE(agent->open().has_value());
  }
  ~Office() {
    stop.stop();
    loop.run_until_done(tasks.join());
  }

  std::vector<RecipientOutcome> deliver(const std::vector<std::string>& recipients,
                                        const std::string& content = "Subject: x\n\nhello\n",
                                        const std::string& sender = "sender@example.net") {
    return send(
        [this](ipc::Channel& peer, ipc::Frame frame) { return agent->handle(peer, std::move(frame)); },
        recipients, content, sender);
  }
  std::vector<std::string> mail_of(const std::string& user) {
    return names_in(directory / ("spool/" + user + "/new"));
  }
  std::string only_mail_of(const std::string& user) {
    const auto names = mail_of(user);
    REQUIRE(names.size() == 1);
    return content_of(directory / ("spool/" + user + "/new/" + names[0]));
  }

  static inline std::string aliases;
  LocalSettings settings;
  std::unique_ptr<LocalAgent> agent;
};

// "name: value" lines; the table that the agent reads has no colon.
struct WithAliases {
  explicit WithAliases(const std::string& text) {
    for (const auto line : split(text, '\n')) {
      const auto colon = line.find(':');
      if (colon != std::string_view::npos) {
        Office::aliases += fmt::format("{}{}\n", line.substr(0, colon), line.substr(colon + 1));
      }
    }
  }
  ~WithAliases() { Office::aliases.clear(); }
};

}  // namespace

TEST_CASE("mail for a user goes to his Maildir with the fields of the delivery") {
  Office office;
  const auto outcomes = office.deliver({"Nobody+lists@example.org"});
  REQUIRE(outcomes.size() == 1);
  CHECK(outcomes[0].kind == Kind::delivered);
  CHECK(outcomes[0].dsn == "2.0.0");
  CHECK(outcomes[0].reason == "delivered to maildir");
  CHECK(office.only_mail_of("nobody") ==
        "Return-Path: <sender@example.net>\nX-Original-To: Nobody+lists@example.org\n"
        "Delivered-To: Nobody+lists@example.org\nSubject: x\n\nhello\n");
  CHECK(office.log.contains(office.queue_id.text() + ": to=<Nobody+lists@example.org>, relay=local, delay="));
  CHECK(office.log.contains("dsn=2.0.0, status=sent (delivered to maildir)"));
}

TEST_CASE("several recipients of one request each get their mail") {
  Office office;
  const auto outcomes =
      office.deliver({"nobody@example.org", "daemon@example.org", "no.such.user@example.org"});
  REQUIRE(outcomes.size() == 3);
  for (const auto& outcome : outcomes) {
    if (outcome.index == 2) {
      CHECK(outcome.kind == Kind::bounced);
      CHECK(outcome.dsn == "5.1.1");
      CHECK(outcome.reason == "unknown user: \"no.such.user\"");
    } else {
      CHECK(outcome.kind == Kind::delivered);
    }
  }
  CHECK(office.mail_of("nobody").size() == 1);
  CHECK(office.mail_of("daemon").size() == 1);
  CHECK(office.log.contains("status=bounced (unknown user: \"no.such.user\")"));
}

TEST_CASE("a message that was delivered to an address comes back to it only once") {
  Office office;
  const auto outcomes =
      office.deliver({"nobody@example.org"},
                     "Received: x\nDelivered-To: NOBODY@example.org\n\nDelivered-To: daemon@example.org\n");
  CHECK(outcomes[0].kind == Kind::bounced);
  CHECK(outcomes[0].dsn == "5.4.6");
  CHECK(outcomes[0].reason == "mail forwarding loop for nobody@example.org");
  CHECK(office.mail_of("nobody").empty());
  CHECK(office.deliver({"daemon@example.org"}, "Subject: x\n\nDelivered-To: daemon@example.org\n")[0].kind ==
        Kind::delivered);
}

TEST_CASE("aliases lead to users, through each other, and to addresses elsewhere") {
  const WithAliases aliases(
      "root: staff\nstaff: nobody, daemon, friend@elsewhere.example, pal@elsewhere.example\n");
  Office office;
  const auto outcomes = office.deliver({"root@example.org"});
  REQUIRE(outcomes.size() == 1);
  CHECK(outcomes[0].kind == Kind::expanded);
  CHECK(office.only_mail_of("nobody").find(
            "X-Original-To: root@example.org\nDelivered-To: root@example.org\n") != std::string::npos);
  CHECK(office.mail_of("daemon").size() == 1);
  REQUIRE(office.submissions.size() == 1);
  const auto& forwarded = office.submissions[0];
  CHECK(forwarded.envelope.sender == "sender@example.net");
  REQUIRE(forwarded.envelope.recipients.size() == 2);
  CHECK(forwarded.envelope.recipients[0].address == "friend@elsewhere.example");
  CHECK(forwarded.content.starts_with("Received: by host.example.org (Postrider)\n\tid " +
                                      office.queue_id.text() + ";"));
  CHECK(forwarded.content.ends_with("Delivered-To: root@example.org\nSubject: x\n\nhello\n"));
  CHECK(office.log.contains("to=<nobody@example.org>, orig_to=<root@example.org>, relay=local"));
  CHECK(office.log.contains("status=sent (forwarded as B0B0B0B0B0)"));
}

TEST_CASE("an alias that names itself means the mailbox, and circles end") {
  const WithAliases aliases("nobody: nobody, daemon\nmail: \\mail, daemon\na: b\nb: a\n");
  Office office;
  CHECK(office.deliver({"nobody@example.org"})[0].kind == Kind::expanded);
  CHECK(office.mail_of("nobody").size() == 1);
  CHECK(office.mail_of("daemon").size() == 1);
  CHECK(office.deliver({"mail@example.org"})[0].kind == Kind::expanded);
  CHECK(office.mail_of("mail").size() == 1);
  const auto circle = office.deliver({"a@example.org"});
  CHECK(circle[0].kind == Kind::bounced);
  CHECK(circle[0].reason == "unknown user: \"a\"");
}

TEST_CASE("a chain of aliases that does not end is cut") {
  std::string chain;
  for (int i = 0; i < 200; ++i) chain += fmt::format("a{}: a{}\n", i, i + 1);
  const WithAliases aliases(chain);
  Office office;
  const auto outcomes = office.deliver({"a0@example.org"});
  CHECK(outcomes[0].kind == Kind::bounced);
  CHECK(outcomes[0].dsn == "5.4.6");
}

TEST_CASE("however often an expansion names a destination, it gets one copy") {
  const WithAliases aliases(
      "all: nobody, nobody@example.org, twice, a@b.example, A@b.example\ntwice: nobody, a@b.example\n");
  Office office;
  office.deliver({"all@example.org"});
  CHECK(office.mail_of("nobody").size() == 1);
  REQUIRE(office.submissions.size() == 1);
  CHECK(office.submissions[0].envelope.recipients.size() == 1);
}

TEST_CASE("a list with an owner is sent on by the queue, in the owner's name") {
  const WithAliases aliases("list: nobody, x@elsewhere.example\nowner-list: nobody\n");
  Office office;
  CHECK(office.deliver({"list@example.org"})[0].kind == Kind::expanded);
  CHECK(office.mail_of("nobody").empty());
  REQUIRE(office.submissions.size() == 1);
  CHECK(office.submissions[0].envelope.sender == "owner-list@example.org");
  CHECK(office.submissions[0].envelope.recipients.size() == 2);
}

TEST_CASE("expand_owner_alias makes the owner's own address the sender, if it is one") {
  const WithAliases aliases(
      "list: x@elsewhere.example\nowner-list: ann@b.example\n"
      "near: x@elsewhere.example\nowner-near: ben\n"
      "many: x@elsewhere.example\nowner-many: ann@b.example, ben\n");
  Office office("expand_owner_alias = yes\n");
  office.deliver({"list@example.org"});
  office.deliver({"near@example.org"});
  office.deliver({"many@example.org"});
  REQUIRE(office.submissions.size() == 3);
  CHECK(office.submissions[0].envelope.sender == "ann@b.example");
  CHECK(office.submissions[1].envelope.sender == "ben@example.org");
  CHECK(office.submissions[2].envelope.sender == "owner-many@example.org");
}

TEST_CASE("while anything must be tried again nothing is forwarded yet") {
  const WithAliases aliases("mixed: nobody, x@elsewhere.example, :include:/no/such/file\n");
  Office office;
  const auto outcomes = office.deliver({"mixed@example.org"});
  CHECK(outcomes[0].kind == Kind::deferred);
  CHECK(office.submissions.empty());
}

TEST_CASE("what cleanup answers decides about a forward") {
  const WithAliases aliases("far: x@elsewhere.example\n");
  Office office;
  using Outcome = protocol::Submitted::Outcome;
  struct Case {
    Outcome says;
    Kind kind;
  };
  for (const auto& c : {Case{Outcome::no_space, Kind::deferred}, Case{Outcome::temporary, Kind::deferred},
                        Case{Outcome::rejected, Kind::bounced}, Case{Outcome::too_large, Kind::bounced}}) {
    office.cleanup_says = c.says;
    CHECK(office.deliver({"far@example.org"})[0].kind == c.kind);
  }
}

TEST_CASE("include files are read as whoever they belong to, and may not include themselves for ever") {
  test::TemporaryDirectory lists;
  put(lists / "list", fmt::format("nobody\n# comment\ndaemon, :include:{}/list\n", lists.path()));
  put(lists / "open", "nobody\n");
  REQUIRE(::chmod((lists / "open").c_str(), 0666) == 0);
  REQUIRE(::mkfifo((lists / "fifo").c_str(), 0600) == 0);
  const WithAliases aliases(fmt::format(
      "good: :include:{0}/list\nopen: :include:{0}/open\nfifo: :include:{0}/fifo\n", lists.path()));
  Office office;
  CHECK(office.deliver({"good@example.org"})[0].kind == Kind::expanded);
  CHECK(office.mail_of("nobody").size() == 1);
  CHECK(office.mail_of("daemon").size() == 1);
  for (const char* name : {"open@example.org", "fifo@example.org"}) {
    const auto outcomes = office.deliver({name});
    CHECK(outcomes[0].kind == Kind::deferred);
    CHECK(outcomes[0].dsn == "4.3.5");
  }
  CHECK(office.log.contains("file is world writable"));
}

TEST_CASE(
    "a .forward sends mail on, keeps a copy for its user, and is not believed when others can write it") {
  Office office;
  put(office.directory / "forward/nobody", "\\nobody, x@elsewhere.example\n");
  CHECK(office.deliver({"nobody@example.org"})[0].kind == Kind::expanded);
  CHECK(office.mail_of("nobody").size() == 1);
  CHECK(office.submissions.size() == 1);

  REQUIRE(::chmod((office.directory / "forward/nobody").c_str(), 0666) == 0);
  CHECK(office.deliver({"nobody@example.org"})[0].kind == Kind::delivered);
  CHECK(office.submissions.size() == 1);
  CHECK(office.mail_of("nobody").size() == 2);

  REQUIRE(os::system_files().unlink(office.directory / "forward/nobody"));
  put(office.directory / "elsewhere", "thief@elsewhere.example\n");
  REQUIRE(::symlink((office.directory / "elsewhere").c_str(),
                    (office.directory / "forward/nobody").c_str()) == 0);
  CHECK(office.deliver({"nobody@example.org"})[0].kind == Kind::delivered);
  CHECK(office.submissions.size() == 1);

  put(office.directory / "forward/daemon", "");
  CHECK(office.deliver({"daemon@example.org"})[0].kind == Kind::delivered);
  CHECK(office.mail_of("daemon").size() == 1);
}

TEST_CASE("two users whose .forward files name each other get the mail they are meant to") {
  Office office;
  put(office.directory / "forward/nobody", "daemon\n");
  put(office.directory / "forward/daemon", "nobody\n");
  CHECK(office.deliver({"nobody@example.org"})[0].kind == Kind::expanded);
  CHECK(office.mail_of("nobody").size() + office.mail_of("daemon").size() == 1);
}

TEST_CASE("an alias table that everybody may write is not believed") {
  const WithAliases aliases("root: \"|touch /tmp/owned\"\n");
  Office office;
  REQUIRE(::chmod((office.directory / "aliases").c_str(), 0666) == 0);
  const auto outcomes = office.deliver({"root@example.org"});
  CHECK(outcomes[0].kind == Kind::deferred);
  CHECK(office.log.contains("file is world writable"));
}

TEST_CASE("a worker that dies costs a later attempt, and the next delivery has another one") {
  const WithAliases aliases("killer: \"|kill -9 $PPID\"\nfine: \"|true\"\n");
  Office office;
  const auto outcomes = office.deliver({"killer@example.org"});
  CHECK(outcomes[0].kind == Kind::deferred);
  CHECK(outcomes[0].reason == "delivery process failed");
  CHECK(office.log.contains("died: closed"));
  CHECK(office.deliver({"fine@example.org"})[0].kind == Kind::expanded);
  CHECK(office.deliver({"nobody@example.org"})[0].kind == Kind::delivered);
}

TEST_CASE("commands get the message, a harmless environment, and answer by their exit status") {
  test::TemporaryDirectory out;
  const WithAliases aliases(
      fmt::format("save: \"|cat > {0}/message; env > {0}/environment\"\nfail: \"|echo some words; exit 1\"\n"
                  "later: \"|exit 75\"\nunknown: \"|exit 67\"\nown: \"|echo 5.7.9 not today; exit "
                  "77\"\nkilled: \"|kill -9 $$\"\n"
                  "slow: \"|sleep 30\"\n",
                  out.path()));
  Office office("command_time_limit = 1s");
  const auto saved =
      office.deliver({"save+a;b@example.org"}, "Subject: x\n\nhello\n", "e`vil$(id)@example.net");
  CHECK(saved[0].reason ==
        fmt::format("delivered to command: cat > {0}/message; env > {0}/environment", out.path()));
  const auto message = content_of(out / "message");
  CHECK(message.starts_with("From \"e`vil$(id)\"@example.net  "));
  CHECK(message.ends_with("Delivered-To: save+a;b@example.org\nSubject: x\n\nhello\n"));
  const auto environment = content_of(out / "environment");
  CHECK(environment.find("SENDER=e_vil__id_@example.net\n") != std::string::npos);
  CHECK(environment.find("RECIPIENT=save+a_b@example.org\n") != std::string::npos);
  CHECK(environment.find("EXTENSION=a_b\n") != std::string::npos);
  CHECK(environment.find("TZ=UTC\n") != std::string::npos);
  CHECK(environment.find("TMPDIR") == std::string::npos);

  const auto failed = office.deliver({"fail@example.org"});
  CHECK(failed[0].kind == Kind::bounced);
  CHECK(failed[0].reason ==
        "Command died with status 1: \"echo some words; exit 1\". Command output: some words");
  CHECK(office.deliver({"later@example.org"})[0].kind == Kind::deferred);
  const auto unknown = office.deliver({"unknown@example.org"});
  CHECK(unknown[0].dsn == "5.1.1");
  CHECK(unknown[0].reason == "user unknown");
  const auto own = office.deliver({"own@example.org"});
  CHECK(own[0].dsn == "5.7.9");
  CHECK(own[0].reason == "not today");
  const auto killed = office.deliver({"killed@example.org"});
  CHECK(killed[0].kind == Kind::deferred);
  CHECK(killed[0].reason == "Command died with signal 9: \"kill -9 $$\"");
  const auto slow = office.deliver({"slow@example.org"});
  CHECK(slow[0].kind == Kind::bounced);
  CHECK(slow[0].reason == "Command time limit exceeded: \"sleep 30\"");
}

TEST_CASE("a command that reads nothing and one that reads a large message both succeed") {
  test::TemporaryDirectory out;
  const WithAliases aliases(fmt::format("deaf: \"|true\"\ncount: \"|wc -c > {}/count\"\n", out.path()));
  Office office;
  std::string content = "Subject: x\n\n";
  while (content.size() < 500'000) content += "From the middle of a line that is long\n";
  CHECK(office.deliver({"deaf@example.org"}, content)[0].kind == Kind::expanded);
  CHECK(office.deliver({"count@example.org"}, content)[0].kind == Kind::expanded);
  CHECK(std::stoul(content_of(out / "count")) > content.size());
}

TEST_CASE("files named by aliases are appended to, unless that is forbidden") {
  test::TemporaryDirectory out;
  const WithAliases aliases(fmt::format("file: {0}/mbox\ndir: {0}/box/\nnull: /dev/null\n", out.path()));
  {
    Office office;
    const auto outcomes = office.deliver({"file@example.org"});
    CHECK(outcomes[0].reason == fmt::format("delivered to file: {}/mbox", out.path()));
    CHECK(content_of(out / "mbox").starts_with("From sender@example.net  "));
    CHECK(office.deliver({"dir@example.org"})[0].reason == "delivered to maildir");
    CHECK(names_in(out / "box/new").size() == 1);
    CHECK(office.deliver({"null@example.org"})[0].kind == Kind::expanded);
    REQUIRE(::link((out / "mbox").c_str(), (out / "other").c_str()) == 0);
    const auto linked = office.deliver({"file@example.org"});
    CHECK(linked[0].kind == Kind::bounced);
    CHECK(linked[0].dsn == "5.2.0");
  }
  Office strict("allow_mail_to_files =\nallow_mail_to_commands =");
  const auto outcomes = strict.deliver({"file@example.org"});
  CHECK(outcomes[0].dsn == "5.7.1");
  CHECK(outcomes[0].reason == "mail to file is restricted");
}

TEST_CASE("an mbox spool is locked, checked and limited in size") {
  Office office(fmt::format("mailbox_size_limit = 400\ndeliver_lock_attempts = 1"));
  // Without the slash: one file for each user.
  auto values = config::Values::of_text(
      fmt::format("mail_spool_directory = {}/box\nmailbox_size_limit = 400\ndeliver_lock_attempts = 1\n",
                  office.directory.path()));
  REQUIRE(config::load(values, {&office.settings.local, &office.settings.delivery, &office.settings.limits}));
  REQUIRE(make_directories(os::system_files(), office.directory / "box", 0700));
  CHECK(office.deliver({"nobody@example.org"})[0].reason == "delivered to mailbox");
  CHECK(content_of(office.directory / "box/nobody").find("\nSubject: x\n\nhello\n\n") != std::string::npos);
  const auto full =
      office.deliver({"nobody@example.org"}, std::string("Subject: x\n\n") + std::string(400, 'x') + "\n");
  CHECK(full[0].kind == Kind::bounced);
  CHECK(full[0].dsn == "5.2.2");
  put(office.directory / "box/daemon.lock", "1:another.host");
  const auto locked = office.deliver({"daemon@example.org"});
  CHECK(locked[0].kind == Kind::deferred);
}

TEST_CASE("mailbox_command and mailbox_transport take the place of the mailbox") {
  test::TemporaryDirectory out;
  {
    Office office(fmt::format("mailbox_command = echo $user $extension > {}/said", out.path()));
    CHECK(office.deliver({"nobody+$(id)@example.org"})[0].reason.starts_with(
        "delivered to command: echo nobody __id_"));
    CHECK(content_of(out / "said") == "nobody __id_\n");
  }
  Office office("mailbox_transport = lmtp:unix:somewhere\nfallback_transport = lmtp");
  std::string nexthop;
  office.serve("private/lmtp", [&](ipc::Channel& peer, ipc::Frame frame) -> event::Task<> {
    auto request = frame.as<protocol::DeliveryRequest>();
    nexthop = request->nexthop;
    protocol::DeliveryReport report;
    RecipientOutcome outcome = delivered("250 2.0.0 Ok");
    report.outcomes.push_back(outcome);
    peer.put(report);
    co_return;
  });
  CHECK(office.deliver({"nobody@example.org"})[0].reason == "250 2.0.0 Ok");
  CHECK(nexthop == "unix:somewhere");
}

TEST_CASE("names that are no user go to luser_relay, and no further when that is unknown too") {
  {
    Office office("luser_relay = $user@elsewhere.example");
    CHECK(office.deliver({"no.such.user@example.org"})[0].kind == Kind::expanded);
    REQUIRE(office.submissions.size() == 1);
    CHECK(office.submissions[0].envelope.recipients[0].address == "no.such.user@elsewhere.example");
  }
  Office office("luser_relay = not.one.either");
  const auto outcomes = office.deliver({"no.such.user@example.org"});
  CHECK(outcomes[0].kind == Kind::bounced);
  CHECK(outcomes[0].reason == "unknown user: \"not.one.either\"");
}

TEST_CASE("soft_bounce turns a failure into another try") {
  Office office("soft_bounce = yes");
  const auto outcomes = office.deliver({"no.such.user@example.org"});
  CHECK(outcomes[0].kind == Kind::deferred);
  CHECK(outcomes[0].dsn == "4.1.1");
}

TEST_CASE("local parts full of shell characters are only names") {
  Office office;
  for (const char* local :
       {";id", "|id", "`id`", "$(id)", "../nobody", "-x", "a b", "nobody;", "~root", "\\nobody\\", "{}"}) {
    const auto outcomes = office.deliver({std::string(local) + "@example.org"});
    CAPTURE(local);
    CHECK(outcomes[0].kind == Kind::bounced);
  }
  CHECK(names_in(office.directory / "spool").empty());
}

TEST_CASE("hundreds of deliveries at once into one Maildir all arrive") {
  Office office;
  std::vector<std::string> recipients;
  for (int i = 0; i < 300; ++i) recipients.push_back(fmt::format("nobody+{}@example.org", i));
  const auto outcomes = office.deliver(recipients);
  CHECK(outcomes.size() == 300);
  for (const auto& outcome : outcomes) CHECK(outcome.kind == Kind::delivered);
  CHECK(office.mail_of("nobody").size() == 300);
}

TEST_CASE("several letters to one mbox file at the same time are appended one after the other") {
  test::TemporaryDirectory out;
  const WithAliases aliases(fmt::format("file: {}/mbox\n", out.path()));
  Office office;
  std::vector<std::string> recipients;
  for (int i = 0; i < 20; ++i) recipients.push_back(fmt::format("file+{}@example.org", i));
  const auto outcomes = office.deliver(recipients);
  CHECK(outcomes.size() == 20);
  for (const auto& outcome : outcomes) CHECK(outcome.kind == Kind::expanded);
  const std::string box = content_of(out / "mbox");
  std::size_t letters = 0;
  for (std::size_t at = 0; (at = box.find("\nSubject: x\n\nhello\n\n", at)) != std::string::npos; ++at)
    ++letters;
  CHECK(letters == 20);
}
