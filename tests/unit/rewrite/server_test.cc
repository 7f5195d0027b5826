#include "rewrite/server.h"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "lib/base/log.h"
#include "lib/config/master_cf.h"
#include "lib/config/values.h"
#include "lib/event/scope.h"
#include "lib/os/files.h"
#include "lib/os/socket.h"

using namespace postrider;
using namespace postrider::rewrite;
using protocol::LookedUp;

namespace {

struct Rig {
  MemoryLog log;
  SystemClock clock;
  event::Loop loop{clock};
  table::Context context{os::system_files(), log, clock};
  std::pair<os::Fd, os::Fd> sockets = *os::socket_pair();
  ipc::Channel client{loop, std::move(sockets.first)};
  ipc::Channel side{loop, std::move(sockets.second)};
  std::unique_ptr<Server> server;

  // `trusted`: our own uid is the mail owner's. As root we are trusted anyway.
  Rig(ResolverSettings settings, AllowedTables allowed, bool trusted) {
    server = std::make_unique<Server>(loop, log, context, std::move(settings), std::move(allowed),
                                      trusted ? geteuid() : geteuid() + 1, 2);
    REQUIRE(server->open().has_value());
  }

  template <class Answer, class Question>
  Answer ask(const Question& question) {
    const auto conversation = [](Rig& rig, const Question& what) -> event::Task<Answer> {
      rig.client.put(what);
      co_await rig.client.flush(rig.loop.after(Seconds(5)));
      ipc::Frame frame = co_await rig.side.receive(rig.loop.after(Seconds(5)));
      co_await rig.server->answer(rig.side, std::move(frame));
      co_await rig.side.flush(rig.loop.after(Seconds(5)));
      Answer answer = co_await rig.client.template expect<Answer>(rig.loop.after(Seconds(5)));
      co_return answer;
    };
    return loop.run_until_done(conversation(*this, question));
  }
};

ResolverSettings settings() {
  ResolverSettings s;
  s.rewriting.myorigin = s.rewriting.mydomain = "my.example";
  s.myhostname = "my.example";
  s.local_transport = "local";
  s.default_transport = "smtp";
  s.empty_address_recipient = "MAILER-DAEMON";
  s.mydestination = {"my.example"};
  return s;
}

}  // namespace

TEST_CASE("a batch is answered in its order") {
  Rig rig(settings(), {}, true);
  protocol::Rewrite rewrite{.context = "local", .addresses = {"a", "b@c.example.", ""}};
  CHECK(rig.ask<protocol::Rewritten>(rewrite).addresses ==
        std::vector<std::string>{"a@my.example", "b@c.example", ""});
  protocol::Resolve resolve;
  for (int i = 0; i < 1000; ++i) resolve.addresses.push_back("u@d" + std::to_string(i) + ".example");
  const protocol::Resolved resolved = rig.ask<protocol::Resolved>(resolve);
  REQUIRE(resolved.routes.size() == 1000);
  for (int i = 0; i < 1000; ++i)
    REQUIRE(resolved.routes[static_cast<std::size_t>(i)].nexthop == "d" + std::to_string(i) + ".example");
}

TEST_CASE("questions that ask other programs are answered from a thread") {
  ResolverSettings s = settings();
  s.local_recipient_maps = "proxy:unix:passwd.byname, inline:{alias=x}";
  s.transport_maps = "unix:group.byname";
  Rig rig(s, {}, true);
  using Existence = protocol::RecipientChecked::Existence;
  const auto exists = [&](const char* address) {
    return rig.ask<protocol::RecipientChecked>(protocol::CheckRecipient{"", address}).existence;
  };
  CHECK(exists("root@my.example") == Existence::listed);
  CHECK(exists("alias@my.example") == Existence::listed);
  CHECK(exists("no-such-user-here@my.example") == Existence::unlisted);
}

TEST_CASE("strangers may look up in configured tables only") {
  const config::Values values = config::Values::of_text(
      "smtpd_sender_restrictions = check_sender_access inline:{a=1}, reject\n"
      "my_table = inline:{ b=2 }\n"
      "smtpd_recipient_restrictions = { check_client_access $my_table, permit }\n");
  const auto master = config::MasterCf::parse(
      "587 inet n - - - - smtpd -o smtpd_client_restrictions=check_client_access,proxy:inline:{c=3}\n",
      "master.cf");
  REQUIRE(master.has_value());
  const AllowedTables allowed = AllowedTables::collect(values, &*master);
  CHECK(allowed.allows("inline:{a=1}"));
  CHECK(allowed.allows("inline:{ b=2 }, proxy:inline:{a=1}"));
  CHECK(allowed.allows("inline:{c=3}"));
  CHECK(allowed.allows("hash:/etc/aliases"));
  CHECK_FALSE(allowed.allows("inline:{d=4}"));
  CHECK_FALSE(allowed.allows("inline:{a=1}, texthash:/etc/shadow"));
  CHECK_FALSE(allowed.allows("texthash:/etc/passwd"));
  CHECK_FALSE(allowed.allows(""));
  CHECK_FALSE(allowed.allows("inline:{a=1"));
}

TEST_CASE("a refused lookup is trouble and is logged with the table's name") {
  if (geteuid() == 0) return;  // root may look up anything
  Rig rig(settings(), {}, false);
  protocol::Lookup question;
  question.parameter = "check_client_access";
  question.maps = "texthash:/etc/passwd";
  question.keys = {"root"};
  const LookedUp answer = rig.ask<LookedUp>(question);
  REQUIRE(answer.answers.size() == 1);
  CHECK(answer.answers[0].status == LookedUp::Answer::Status::trouble);
  CHECK(rig.log.contains("check_client_access: table \"texthash:/etc/passwd\" is not in the configuration"));
}

TEST_CASE("a trusted lookup reaches any table") {
  Rig rig(settings(), {}, true);
  protocol::Lookup question;
  question.maps = "inline:{k=v}";
  question.keys = {"k"};
  CHECK(rig.ask<LookedUp>(question).answers.at(0).value == "v");
}

TEST_CASE("what is no request ends the conversation") {
  Rig rig(settings(), {}, true);
  CHECK_THROWS_AS(rig.ask<protocol::Rewritten>(protocol::Rewritten{}), io::Ended);
}

TEST_CASE("that a user exists is believed for some seconds, that one does not is asked again") {
  ResolverSettings s = settings();
  setenv("postrider-added", "yes", 1);
  // A slow table whose content a test can change.
  s.local_recipient_maps = "unionmap:{unix:passwd.byname, environ:x}";
  Rig rig(s, {}, true);
  using Existence = protocol::RecipientChecked::Existence;
  const auto exists = [&](const char* address) {
    return rig.ask<protocol::RecipientChecked>(protocol::CheckRecipient{"", address}).existence;
  };
  CHECK(exists("postrider-added@my.example") == Existence::listed);
  CHECK(exists("postrider-later@my.example") == Existence::unlisted);
  unsetenv("postrider-added");
  setenv("postrider-later", "yes", 1);
  CHECK(exists("postrider-added@my.example") == Existence::listed);
  CHECK(exists("postrider-later@my.example") == Existence::listed);
  unsetenv("postrider-later");
}
