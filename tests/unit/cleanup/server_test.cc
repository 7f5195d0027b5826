#include "tests/unit/cleanup/site.h"

using namespace postrider;
using namespace postrider::cleanup::test;
using Outcome = protocol::Submitted::Outcome;
using Origin = protocol::Submit::Origin;

namespace {
const std::string complete =
    "From: ann@example.net\nTo: bob@example.com\nDate: x\nMessage-ID: <1@x>\n\nbody\n";
using List = std::vector<std::string>;
}  // namespace

TEST_CASE("what is answered as queued is in the journal, and the queue manager knows its place") {
  Site site;
  const auto submitted = site.submit(Site::envelope({"bob@example.com"}), complete);
  CHECK(submitted.outcome == Outcome::queued);
  const auto stored = site.only();
  CHECK(stored.content == complete + "");
  CHECK(stored.envelope.id.text() == submitted.id);
  CHECK(stored.envelope.size == complete.size());
  CHECK(stored.recipients() == List{"bob@example.com"});
  CHECK(stored.envelope.arrival > WallTime{});
  site.wait_for_announcements(1);
  CHECK(*queue::decode_envelope(site.announced[0].envelope) == stored.envelope);
  CHECK(site.log().find(submitted.id + ": message-id=<1@x>\n") != std::string::npos);
  CHECK(site.rewritten == 0);  // addresses in standard form cost no question
}

TEST_CASE("content in single bytes makes the same message") {
  Site site;
  CHECK(site.submit(Site::envelope({"bob@example.com"}), complete, Origin::network, 1).outcome ==
        Outcome::queued);
  CHECK(site.only().content == complete);
}

TEST_CASE("a header is completed for our own users and left alone for strangers") {
  Site site;
  auto local = Site::envelope({"bob"}, "ann");
  auto remote = local;
  remote.rewrite_context = "remote";
  CHECK(site.submit(remote, "Subject: x\nTo: carol\n\nb\n").outcome == Outcome::queued);
  CHECK(site.submit(local, "Subject: x\nTo: carol\n\nb\n", Origin::local).outcome == Outcome::queued);
  const auto all = site.stored();
  REQUIRE(all.size() == 2);
  CHECK(all[0].content == "Subject: x\nTo: carol\n\nb\n");
  CHECK(all[1].content.starts_with("Subject: x\nTo: carol@example.org\nMessage-Id: <"));
  CHECK(all[1].content.find("\nFrom: ann@example.org\n") != std::string::npos);
  for (const auto& one : all) {
    CHECK(one.recipients() == List{"bob@example.org"});
    CHECK(one.envelope.sender == "ann@example.org");
    CHECK(one.envelope.recipients[0].original == "bob");
  }
  CHECK(site.log().find(": message-id=<>\n") != std::string::npos);
}

TEST_CASE("a body without a header is set apart by a blank line, and ends in one") {
  Site site;
  auto remote = Site::envelope({"bob@example.com"});
  remote.rewrite_context = "remote";
  CHECK(site.submit(remote, "just text").outcome == Outcome::queued);
  CHECK(site.submit(remote, "A: b\nnot a header\n").outcome == Outcome::queued);
  CHECK(site.submit(remote, "").outcome == Outcome::queued);
  CHECK(site.submit(remote, "A: b").outcome == Outcome::queued);
  const auto all = site.stored();
  CHECK(all[0].content == "\njust text\n");
  CHECK(all[1].content == "A: b\n\nnot a header\n");
  CHECK(all[2].content.empty());
  CHECK(all[3].content == "A: b\n");
}

TEST_CASE("large content goes to a file of its own and comes back whole") {
  Site site("queue_content_threshold = 4096\n");
  const std::string body(300'000, 'x');
  CHECK(site.submit(Site::envelope({"bob@example.com"}), complete + body).outcome == Outcome::queued);
  CHECK(site.only().content == complete + body + "\n");
  site.wait_for_announcements(1);
  CHECK(site.announced[0].in_content_file);
}

TEST_CASE("canonical maps and masquerading apply where their classes say") {
  Site site(
      "canonical_maps = inline:{ {ann@example.net = ann.smith@example.net} {@old.example = @example.org} }\n"
      "recipient_canonical_maps = inline:{ {bob@example.com = robert} }\n"
      "masquerade_domains = !keep.example.net example.net\nmasquerade_exceptions = root\n");
  auto envelope =
      Site::envelope({"bob@example.com", "carol@old.example", "dave@sub.example.net"}, "ann@example.net");
  CHECK(site.submit(envelope,
                    "From: <ann@example.net> (A)\nSender: x@host.example.net\nReply-To: root@a.example.net, "
                    "y@z.keep.example.net\nTo: bob@example.com\nDate: d\nMessage-Id: <1>\n\n")
            .outcome == Outcome::queued);
  const auto stored = site.only();
  CHECK(stored.recipients() == List{"robert@example.org", "carol@example.org", "dave@sub.example.net"});
  CHECK(stored.envelope.sender == "ann.smith@example.net");
  CHECK(stored.content ==
        "From: <ann.smith@example.net> (A)\nSender: x@example.net\nReply-To: root@a.example.net, "
        "y@z.keep.example.net\nTo: robert@example.org\nDate: d\nMessage-Id: <1>\n\n");
}

TEST_CASE("virtual aliases expand to lists, through each other and to themselves") {
  Site site(
      "virtual_alias_maps = inline:{ {all@example.com = one, two@example.com, all@example.com} "
      "{two@example.com = three@example.com} {@whole.example = @other.example} {loop@x.example = "
      "pool@x.example} "
      "{pool@x.example = loop@x.example} {base@example.com = target@example.com} }\nrecipient_delimiter = "
      "+\n");
  CHECK(site.submit(Site::envelope({"all@example.com"}), complete).outcome == Outcome::queued);
  CHECK(site.submit(Site::envelope({"any@whole.example", "loop@x.example", "base+ext@example.com"}), complete)
            .outcome == Outcome::queued);
  const auto all = site.stored();
  REQUIRE(all.size() == 2);
  auto first = all[0].recipients();
  std::ranges::sort(first);
  CHECK(first == List{"all@example.com", "one@example.org", "three@example.com"});
  for (const auto& r : all[0].envelope.recipients)
    CHECK(r.original == (r.address == "all@example.com" ? "" : "all@example.com"));
  CHECK(all[1].recipients() == List{"any@other.example", "loop@x.example", "target+ext@example.com"});
}

TEST_CASE("an expansion without measure puts the message off") {
  Site site(
      "virtual_alias_maps = inline:{ {big@example.com = a@x, b@x, c@x} }\nvirtual_alias_expansion_limit = "
      "2\n");
  CHECK(site.submit(Site::envelope({"big@example.com"}), complete).outcome == Outcome::temporary);
  CHECK(site.log().find("unreasonable virtual_alias_maps map expansion size for big@example.com") !=
        std::string::npos);
}

TEST_CASE("a table in trouble puts the message off") {
  Site broken("canonical_maps = fail:tempfail\n");
  CHECK(broken.submit(Site::envelope({"bob@example.com"}), complete).outcome == Outcome::temporary);
  CHECK(broken.log().find("canonical_maps map lookup problem for") != std::string::npos);
  CHECK(broken.stored().empty());
}

TEST_CASE("copies go where the administrator wants them, but not of internal mail") {
  Site site(
      "always_bcc = archive\nsender_bcc_maps = inline:{ {ann@example.net = boss@example.net} }\n"
      "recipient_bcc_maps = inline:{ {bob@example.com = bobs-boss@example.com} }\n");
  CHECK(site.submit(Site::envelope({"bob@example.com"}), complete).outcome == Outcome::queued);
  CHECK(site.submit(Site::envelope({"bob@example.com"}), complete, Origin::internal).outcome ==
        Outcome::queued);
  CHECK(site.submit(Site::envelope({"bob@example.com"}), complete, Origin::network, 1000, false).outcome ==
        Outcome::queued);
  const auto all = site.stored();
  REQUIRE(all.size() == 3);
  CHECK(all[0].recipients() ==
        List{"bob@example.com", "boss@example.net", "bobs-boss@example.com", "archive@example.org"});
  CHECK(all[0].envelope.recipients[1].notify == queue::notify::never);
  CHECK(all[1].recipients() == List{"bob@example.com"});
  CHECK(all[2].recipients() == List{"bob@example.com"});
}

TEST_CASE("a recipient named twice is one recipient") {
  Site site;
  auto envelope =
      Site::envelope({"bob@example.com", "BOB@example.com", "carol@example.com", "bob@example.com"});
  CHECK(site.submit(envelope, complete).outcome == Outcome::queued);
  CHECK(site.only().recipients() == List{"bob@example.com", "carol@example.com"});
}

TEST_CASE("loops, large messages and messages for nobody are refused") {
  Site site("hopcount_limit = 3\nmessage_size_limit = 1000\n");
  auto submitted =
      site.submit(Site::envelope({"a@b.c"}), "Received: 1\nreceived: 2\nRECEIVED: 3\n" + complete);
  CHECK(submitted.outcome == Outcome::rejected);
  CHECK(submitted.dsn == "5.4.0");
  CHECK(site.submit(Site::envelope({"a@b.c"}), complete + std::string(1000, 'x')).outcome ==
        Outcome::too_large);
  submitted = site.submit(Site::envelope({}), complete);
  CHECK(submitted.outcome == Outcome::rejected);
  CHECK(submitted.dsn == "5.1.0");
  CHECK(site.stored().empty());
}

TEST_CASE("strangers' mail carries no flag or state that only the suite may set") {
  Site site;
  auto envelope = Site::envelope({"bob@example.com"});
  envelope.flags = queue::flag::bounce | queue::flag::expire | queue::flag::local | queue::flag::verify;
  envelope.submitter_uid = 7;
  envelope.arrival = WallTime(Seconds(4'000'000'000));
  envelope.recipients[0].status = queue::RecipientStatus::delivered;
  envelope.recipients[0].reason = "forged";
  CHECK(site.submit(envelope, complete).outcome == Outcome::queued);
  CHECK(site.submit(envelope, complete, Origin::internal).outcome == Outcome::queued);
  const auto all = site.stored();
  CHECK(all[0].envelope.flags == 0);
  CHECK(all[0].envelope.submitter_uid == 0);
  CHECK(all[0].envelope.recipients[0].status == queue::RecipientStatus::todo);
  CHECK(all[0].envelope.recipients[0].reason.empty());
  CHECK(all[0].envelope.arrival <= site.daemon->clock().wall());
  CHECK(all[1].envelope.has(queue::flag::bounce));
}

TEST_CASE("a message to be discarded is answered and not queued") {
  Site site;
  auto envelope = Site::envelope({"bob@example.com"});
  envelope.flags = queue::flag::discard;
  CHECK(site.submit(envelope, complete).outcome == Outcome::discarded);
  CHECK(site.stored().empty());
}

TEST_CASE("a client that vanishes or thinks better of it leaves nothing behind") {
  Site site("queue_content_threshold = 4096\n");
  const auto vanish = [](Site& s, bool abandon) -> event::Task<Outcome> {
    auto ends = os::socket_pair();
    event::TaskScope serving(s.daemon->loop());
    serving.spawn(s.serve(std::move(ends->first)));
    Outcome outcome = Outcome::queued;
    {
      ipc::Channel channel(s.daemon->loop(), std::move(ends->second));
      protocol::Submit submit;
      submit.envelope = queue::encode(Site::envelope({"bob@example.com"})).value();
      channel.put(submit);
      protocol::Content piece;
      piece.bytes = "Subject: x\n\n" + std::string(50'000, 'x');
      co_await channel.send(piece, no_deadline);
      if (abandon) {
        channel.put(protocol::ContentEnd{.abandoned = true});
        const auto answer = co_await channel.expect<protocol::Submitted>(no_deadline);
        outcome = answer.outcome;
      }
    }
    co_await serving.join();
    co_return outcome;
  };
  CHECK(site.daemon->loop().run_until_done(vanish(site, true)) == Outcome::abandoned);
  site.daemon->loop().run_until_done(vanish(site, false));
  CHECK(site.stored().empty());
  std::size_t contents = 0;
  REQUIRE(os::system_files().list("incoming", [&](std::string_view name) {
    if (name.ends_with(".content")) ++contents;
    return true;
  }));
  CHECK(contents == 0);
}

TEST_CASE("a connection serves one submission after another, whatever the first was") {
  Site site;
  const auto twice = [](Site& s) -> event::Task<std::vector<Outcome>> {
    auto ends = os::socket_pair();
    event::TaskScope serving(s.daemon->loop());
    serving.spawn(s.serve(std::move(ends->first)));
    std::vector<Outcome> outcomes;
    ipc::Channel channel(s.daemon->loop(), std::move(ends->second));
    for (const bool good : {false, true}) {
      protocol::Submit submit;
      submit.envelope = good ? queue::encode(Site::envelope({"bob@example.com"})).value() : "garbage";
      channel.put(submit);
      protocol::Content piece;
      piece.bytes = complete;
      channel.put(piece);
      channel.put(protocol::ContentEnd{});
      const auto answer = co_await channel.expect<protocol::Submitted>(no_deadline);
      outcomes.push_back(answer.outcome);
    }
    co_return outcomes;
  };
  CHECK(site.daemon->loop().run_until_done(twice(site)) == std::vector{Outcome::temporary, Outcome::queued});
}

TEST_CASE("many submissions at once share commits and are all announced") {
  Site site;
  const auto many = [](Site& s) -> event::Task<> {
    event::TaskScope scope(s.daemon->loop());
    const auto one = [](Site& t) -> event::Task<> {
      const auto answer =
          co_await t.converse(Site::envelope({"bob@example.com"}), complete, Origin::network, 1000, true);
      CHECK(answer.outcome == Outcome::queued);
    };
    for (int i = 0; i < 200; ++i) scope.spawn(one(s));
    co_await scope.join();
  };
  site.daemon->loop().run_until_done(many(site));
  CHECK(site.stored().size() == 200);
  site.wait_for_announcements(200);
}

TEST_CASE("headers of eight bits mark local mail as internationalised") {
  Site site;
  CHECK(site.submit(Site::envelope({"bob@example.com"}), "Subject: \xc3\xa4\n" + complete, Origin::local)
            .outcome == Outcome::queued);
  CHECK(site.submit(Site::envelope({"j\xc3\xb6rg@example.com"}), complete, Origin::local).outcome ==
        Outcome::queued);
  CHECK(site.submit(Site::envelope({"bob@example.com"}), "Subject: \xc3\xa4\n" + complete).outcome ==
        Outcome::queued);
  const auto all = site.stored();
  CHECK(all[0].envelope.has(queue::flag::smtputf8));
  CHECK(all[1].envelope.has(queue::flag::smtputf8));
  CHECK_FALSE(all[2].envelope.has(queue::flag::smtputf8));
}
