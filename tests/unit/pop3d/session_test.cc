#include "pop3d/session.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

#include "lib/event/scope.h"
#include "lib/os/files.h"
#include "lib/smtp/data.h"

using namespace postrider;

namespace {

class FakeMaildrop final : public mailbox::Pop3Maildrop {
 public:
  explicit FakeMaildrop(std::vector<std::string> messages) : messages_(std::move(messages)) {}
  std::size_t count() const override { return messages_.size(); }
  std::uint64_t octets(std::size_t i) const override { return smtp::wire_size(messages_[i]); }
  std::uint64_t total_octets() const override {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < count(); ++i) total += octets(i);
    return total;
  }
  std::string uidl(std::size_t i) const override { return "uid" + std::to_string(i + 1); }
  bool seen(std::size_t) const override { return false; }
  Result<mailbox::StoredMessage> read(std::size_t i) override {
    if (i == vanished) return fail(Trouble::not_found, "gone");
    const std::string_view part = messages_[i];
    Result<os::Fd> fd = os::memory_file("test", std::span(&part, 1));
    if (!fd) return std::unexpected(fd.error());
    mailbox::StoredMessage stored;
    stored.fd = std::move(*fd);
    stored.length = part.size();
    return stored;
  }
  Result<> update(const mailbox::Pop3Changes& changes) override {
    updates.push_back(changes);
    if (refuse_update) return fail(Trouble::temporary, "disk");
    return {};
  }
  std::vector<mailbox::Pop3Changes> updates;
  std::size_t vanished = 999;
  bool refuse_update = false;

 private:
  std::vector<std::string> messages_;
};

// The session's whole output for this input; the input arrives in pieces of `piece` bytes.
std::string play(FakeMaildrop& maildrop, std::string_view input, std::size_t piece) {
  ManualClock clock;
  event::Loop loop(clock);
  MemoryLog log;
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) std::abort();
  const os::Fd client(fds[0]);
  event::TaskScope scope(loop);
  const auto serve = [](event::Loop& l, Log& lg, os::Fd fd, FakeMaildrop& drop) -> event::Task<> {
    io::Stream stream(l, std::move(fd));
    pop3d::Session session(l, lg, os::system_files(), stream, drop, Seconds{600}, true);
    co_await session.run("pop3(u)<1><x>");
  };
  const auto type = [](event::Loop& l, int fd, std::string_view text, std::size_t size) -> event::Task<> {
    while (!text.empty()) {
      const std::string_view part = text.substr(0, size);
      if (::send(fd, part.data(), part.size(), MSG_NOSIGNAL) < 0) co_return;
      text.remove_prefix(part.size());
      co_await l.yield();
    }
    ::shutdown(fd, SHUT_WR);
  };
  scope.spawn(serve(loop, log, os::Fd(fds[1]), maildrop));
  scope.spawn(type(loop, client.get(), input, piece));
  loop.run_until_done(scope.join());
  std::string output;
  char bytes[4096];
  for (ssize_t got = 0; (got = ::read(client.get(), bytes, sizeof bytes)) > 0;)
    output.append(bytes, static_cast<std::size_t>(got));
  return output;
}

void check_dialogue(std::vector<std::string> messages, const std::string& input,
                    const std::string& expected) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{5}, input.size()}) {
    FakeMaildrop maildrop(messages);
    CHECK(play(maildrop, input, piece) == expected);
  }
}

}  // namespace

TEST_CASE("messages are counted, listed and named, pipelined or byte by byte") {
  check_dialogue(
      {"a: b\n\nhello\n", "c: d\n\n.dot\n"}, "STAT\r\nLIST\r\nLIST 2\r\nUIDL\r\nUIDL 1\r\nNOOP\r\nQUIT\r\n",
      "+OK 2 29\r\n+OK 2 messages:\r\n1 15\r\n2 14\r\n.\r\n+OK 2 14\r\n+OK\r\n1 uid1\r\n2 uid2\r\n.\r\n"
      "+OK 1 uid1\r\n+OK\r\n+OK Logging out.\r\n");
}

TEST_CASE("RETR stuffs dots, ends lines with CRLF and keeps a bare CR") {
  check_dialogue({"h: x\n\n.\n..two\nbare\rcr\nend"}, "RETR 1\r\nQUIT\r\n",
                 "+OK 30 octets\r\nh: x\r\n\r\n..\r\n...two\r\nbare\rcr\r\nend\r\n.\r\n+OK Logging out.\r\n");
}

TEST_CASE("TOP sends the header and so many lines") {
  check_dialogue(
      {"h: x\n\none\ntwo\nthree\n"}, "TOP 1 0\r\nTOP 1 2\r\nTOP 1 99\r\nTOP 1\r\nQUIT\r\n",
      "+OK\r\nh: x\r\n\r\n.\r\n+OK\r\nh: x\r\n\r\none\r\ntwo\r\n.\r\n"
      "+OK\r\nh: x\r\n\r\none\r\ntwo\r\nthree\r\n.\r\n" +
          [] {
            FakeMaildrop drop({"h: x\n\none\n"});
            const std::string answer = play(drop, "TOP 1\r\n", 100);
            CHECK(answer.starts_with("-ERR "));
            return answer;
          }() +
          "+OK Logging out.\r\n");
}

TEST_CASE("deleted messages are gone from view, come back with RSET, and go at QUIT") {
  FakeMaildrop maildrop({"a\n", "b\n", "c\n"});
  const std::string output =
      play(maildrop, "DELE 2\r\nDELE 2\r\nRETR 2\r\nLIST\r\nRSET\r\nDELE 1\r\nRETR 3\r\nQUIT\r\n", 1000);
  CHECK(output.find("+OK 2 messages:\r\n1 3\r\n3 3\r\n.\r\n") != std::string::npos);
  REQUIRE(maildrop.updates.size() == 1);
  CHECK(maildrop.updates[0].deleted == std::vector<std::size_t>{0});
  CHECK(maildrop.updates[0].seen == std::vector<std::size_t>{2});
}

TEST_CASE("a connection that breaks deletes nothing") {
  FakeMaildrop maildrop({"a\n"});
  play(maildrop, "DELE 1\r\n", 1000);
  CHECK(maildrop.updates.empty());
}

TEST_CASE("numbers that are none, too large or gone are refused") {
  FakeMaildrop maildrop({"a\n", "b\n"});
  maildrop.vanished = 1;
  const std::string output = play(maildrop,
                                  "RETR 0\r\nRETR 3\r\nRETR 4294967296\r\nRETR x\r\nRETR -1\r\nDELE\r\nLIST "
                                  "9\r\nRETR 2\r\nXYZ\r\nQUIT\r\n",
                                  1000);
  std::size_t errors = 0;
  for (std::size_t at = output.find("-ERR"); at != std::string::npos; at = output.find("-ERR", at + 1))
    ++errors;
  CHECK(errors == 9);
  CHECK(output.ends_with("+OK Logging out.\r\n"));
}

TEST_CASE("QUIT says so when messages could not be removed") {
  FakeMaildrop maildrop({"a\n"});
  maildrop.refuse_update = true;
  CHECK(play(maildrop, "DELE 1\r\nQUIT\r\n", 1000).find("-ERR [SYS/TEMP]") != std::string::npos);
}
