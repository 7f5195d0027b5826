#include "lib/queue/maildrop.h"

#include <unistd.h>
#include <catch2/catch.hpp>

#include "tests/unit/queue/journal_fixture.h"

using namespace postrider;
using namespace postrider::queue;
using namespace postrider::queue::test;

namespace {

constexpr uid_t nobody_we_know = 0x7fffffff;

struct Drop : QueueDirectory {
  Drop() { REQUIRE(os::system_files().mkdir(layout.maildrop(), 0700)); }
  Envelope submission() {
    Envelope e;
    e.sender = "ann@example.org";
    e.flags = flag::record | flag::bounce | flag::hold;  // the last two are not hers to set
    e.client.address = "192.0.2.1";
    e.orig_queue_id = "FORGED";
    e.recipients.resize(2);
    e.recipients[0].address = "bob@example.com";
    e.recipients[0].original = "forged@example.com";
    e.recipients[0].status = RecipientStatus::delivered;
    e.recipients[0].notify = notify::never;
    e.recipients[1].address = "carol@example.com";
    return e;
  }
  std::string drop(const Envelope& envelope, const std::string& text, os::Files& files = os::system_files()) {
    auto writer = MaildropWriter::create(files, layout.maildrop(), envelope);
    if (!writer) return {};
    for (std::size_t at = 0; at < text.size(); at += 100)
      if (!writer->append(std::string_view(text).substr(at, 100))) return {};
    auto name = writer->commit();
    return name ? *name : std::string();
  }
  Result<Submission> read(const std::string& name, uid_t mail_owner = nobody_we_know) {
    return read_submission(os::system_files(), layout.maildrop() + "/" + name, mail_owner);
  }
};

}  // namespace

TEST_CASE("a submission comes out as it went in, less what is not the submitter's to say") {
  Drop drop;
  const std::string text = "Subject: hello\n\nbody\n" + std::string(5000, 'x');
  const std::string name = drop.drop(drop.submission(), text);
  CHECK(is_maildrop_name(name));
  const auto got = drop.read(name);
  REQUIRE(got);
  CHECK(content_of(got->content) == text);
  const Envelope& e = got->envelope;
  CHECK(e.sender == "ann@example.org");
  CHECK(e.flags == (flag::record | flag::local));
  CHECK(e.client == ClientAttributes{});
  CHECK(e.orig_queue_id.empty());
  CHECK(e.submitter_uid == ::getuid());
  REQUIRE(e.recipients.size() == 2);
  CHECK(e.recipients[0].status == RecipientStatus::todo);
  CHECK(e.recipients[0].original.empty());
  CHECK(e.recipients[0].notify == notify::never);
}

TEST_CASE("what mail_owner requeued keeps its envelope") {
  Drop drop;
  const std::string name = drop.drop(drop.submission(), "text");
  const auto got = drop.read(name, ::getuid());
  REQUIRE(got);
  CHECK(got->envelope.orig_queue_id == "FORGED");
  CHECK(got->envelope.recipients[0].original == "forged@example.com");
}

TEST_CASE("a submission that was not committed leaves no file") {
  Drop drop;
  {
    auto writer = MaildropWriter::create(os::system_files(), drop.layout.maildrop(), drop.submission());
    REQUIRE(writer);
    REQUIRE(writer->append("half"));
    const auto names = drop.names(drop.layout.maildrop());
    REQUIRE(names.size() == 1);
    CHECK_FALSE(is_maildrop_name(names[0]));
  }
  CHECK(drop.names(drop.layout.maildrop()).empty());
}

TEST_CASE("whatever call fails, a submission is whole and durable or an error") {
  for (std::size_t k = 1;; ++k) {
    Drop drop;
    os::test::FaultyFiles files;
    files.fail_call(k, ENOSPC, {}, true);
    const std::string name = drop.drop(drop.submission(), std::string(950, 't'), files);
    std::size_t complete = 0;
    for (const std::string& found : drop.names(drop.layout.maildrop())) {
      if (!is_maildrop_name(found)) continue;
      ++complete;
      CHECK(drop.read(found));
    }
    CHECK(complete == (name.empty() ? 0 : 1));
    if (!files.failed()) break;
    REQUIRE(k < 100);
  }
}

TEST_CASE("a submission damaged or cut off at any byte is refused") {
  Drop drop;
  Envelope small;
  small.recipients.resize(1);
  small.recipients[0].address = "a@b";
  const std::string name = drop.drop(small, "text\n");
  const std::string path = drop.layout.maildrop() + "/" + name;
  const std::string whole = file_bytes(path);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    REQUIRE(os::replace_file(os::system_files(), path, whole.substr(0, at), 0600));
    CHECK_FALSE(drop.read(name));
    std::string bad = whole;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    REQUIRE(os::replace_file(os::system_files(), path, bad, 0600));
    const auto got = drop.read(name);
    REQUIRE_FALSE(got);
    CHECK(got.error().is(Trouble::permanent));
  }
  REQUIRE(os::replace_file(os::system_files(), path, whole + "more", 0600));
  CHECK_FALSE(drop.read(name));
}

TEST_CASE("links, directories and files with two names are no submissions") {
  Drop drop;
  auto& files = os::system_files();
  const std::string name = drop.drop(drop.submission(), "text");
  const std::string path = drop.layout.maildrop() + "/" + name;
  REQUIRE(files.link(path, path + "2"));
  CHECK(drop.read(name).error().is(Trouble::permanent));
  REQUIRE(files.unlink(path + "2"));
  CHECK(drop.read(name));
  REQUIRE(::symlink(path.c_str(), (path + "3").c_str()) == 0);
  CHECK(drop.read(name + "3").error().is(Trouble::permanent));
  REQUIRE(files.mkdir(path + "4", 0700));
  CHECK(drop.read(name + "4").error().is(Trouble::permanent));
  REQUIRE(os::replace_file(files, path + "5", "Subject: plain text\n\n", 0600));
  CHECK(drop.read(name + "5").error().is(Trouble::permanent));
}

TEST_CASE("a line break in an address never gets into maildrop") {
  Drop drop;
  Envelope e = drop.submission();
  e.recipients[0].address = "bob@example.com\nRCPT TO:<eve@example.com>";
  CHECK_FALSE(MaildropWriter::create(os::system_files(), drop.layout.maildrop(), e));
  CHECK(drop.names(drop.layout.maildrop()).empty());
}
