#include <map>
#include <thread>

#include <sasl/sasl.h>
#include <catch2/catch.hpp>

#include "lib/sasl/cyrus.h"
#include "lib/sasl/server.h"

using namespace postrider;
using namespace postrider::sasl;

namespace {

class Memory final : public UserDatabase {
 public:
  std::map<std::string, std::string> users;
  bool broken = false;
  std::string_view label() const override { return "memory"; }
  Result<std::optional<UserEntry>> find(const std::string& name) override {
    if (broken) return fail(Trouble::temporary, "database is away");
    const auto found = users.find(name);
    if (found == users.end()) return std::nullopt;
    UserEntry user;
    user.name = name;
    user.password = found->second;
    return user;
  }
  Verdict check(const UserEntry& user, std::string_view password, std::string&) override {
    return user.password == "{PLAIN}" + std::string(password) ? Verdict::match : Verdict::mismatch;
  }
  std::string typical_password() override { return "{PLAIN}x"; }
};

struct Fixture {
  MemoryLog log;
  Memory* memory = nullptr;
  std::unique_ptr<Authenticator> authenticator;
  std::unique_ptr<Mechanisms> mechanisms;

  Fixture() {
    auto owned = std::make_unique<Memory>();
    memory = owned.get();
    memory->users = {
        {"ann", "{PLAIN}secret"},
        {"hashed", "$6$x$y"},
        // RFC 7677's example: "pencil".
        {"user",
         "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
         "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="}};
    std::vector<std::unique_ptr<UserDatabase>> databases;
    databases.push_back(std::move(owned));
    authenticator = std::make_unique<Authenticator>(log, std::move(databases));
    auto loaded =
        Mechanisms::load(*authenticator, log,
                         {.wanted = {"plain", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "NO-SUCH"},
                          .host_name = "mail.example.org",
                          .plugin_directory = ""});
    if (!loaded) FAIL(loaded.error().text());
    mechanisms = std::move(*loaded);
  }
  std::unique_ptr<Exchange> exchange(bool plaintext = true) {
    return std::move(*Exchange::make(*mechanisms, "smtp", "192.0.2.1", plaintext));
  }
  StepResult plain(const std::string& response) { return exchange()->start("PLAIN", &response); }
};

// Cyrus' client side as the other party.
struct Client {
  std::string user, password;
  std::vector<unsigned char> secret_bytes;
  CallbackTable callbacks;
  sasl_conn_t* connection = nullptr;

  static int on_name(void* context, int, const char** result, unsigned* size) {
    const auto& client = *static_cast<Client*>(context);
    *result = client.user.c_str();
    if (size) *size = static_cast<unsigned>(client.user.size());
    return SASL_OK;
  }
  static int on_secret(sasl_conn_t*, void* context, int, sasl_secret_t** secret) {
    auto& client = *static_cast<Client*>(context);
    client.secret_bytes.assign(sizeof(sasl_secret_t) + client.password.size() + 1, 0);
    auto* made = static_cast<sasl_secret_t*>(static_cast<void*>(client.secret_bytes.data()));
    made->len = client.password.size();
    std::copy(client.password.begin(), client.password.end(), made->data);
    *secret = made;
    return SASL_OK;
  }
  Client(std::string name, std::string word) : user(std::move(name)), password(std::move(word)) {
    static const int ready = sasl_client_init(nullptr);
    if (ready != SASL_OK) FAIL("sasl_client_init");
    callbacks.add(SASL_CB_USER, on_name, this);
    callbacks.add(SASL_CB_AUTHNAME, on_name, this);
    callbacks.add(SASL_CB_PASS, on_secret, this);
    sasl_client_new("smtp", "mail.example.org", nullptr, nullptr, callbacks.entries(), 0, &connection);
  }
  ~Client() { sasl_dispose(&connection); }

  // The whole exchange; the server's last word.
  StepResult against(Exchange& exchange, const std::string& mechanism) {
    const char* data = nullptr;
    const char* chosen = nullptr;
    unsigned size = 0;
    int code = sasl_client_start(connection, mechanism.c_str(), nullptr, &data, &size, &chosen);
    std::string bytes = data ? std::string(data, size) : std::string();
    StepResult step = exchange.start(mechanism, data ? &bytes : nullptr);
    while (step.kind == StepKind::challenge && (code == SASL_CONTINUE || code == SASL_OK)) {
      bytes.clear();
      if (code == SASL_CONTINUE) {
        code = sasl_client_step(connection, step.data.data(), static_cast<unsigned>(step.data.size()),
                                nullptr, &data, &size);
        if (data) bytes.assign(data, size);
      }
      step = exchange.next(bytes);
    }
    return step;
  }
};

std::string plain_text(const std::string& authorize, const std::string& user, const std::string& password) {
  return authorize + '\0' + user + '\0' + password;
}

}  // namespace

// The first of all, since Cyrus does not forget plug-ins that it has loaded.
TEST_CASE("a Cyrus SASL whose plug-ins cannot be reached is an error that may pass, not an empty offer") {
  MemoryLog log;
  Authenticator authenticator(log, {});
  const auto loaded = Mechanisms::load(
      authenticator, log,
      {.wanted = {"PLAIN", "LOGIN"}, .host_name = "mail.example.org", .plugin_directory = "/nonexistent"});
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().is(Trouble::temporary));
  CHECK(loaded.error().text() == "no SASL mechanism of auth_mechanisms is there: PLAIN PLAIN");
}

TEST_CASE("mechanisms are those that were asked for and exist") {
  Fixture f;
  CHECK(f.mechanisms->names(true) ==
        std::vector<std::string>{"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"});
  CHECK(f.mechanisms->names(false) == std::vector<std::string>{"CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"});
  CHECK(f.log.contains("SASL mechanism NO-SUCH is not there"));
  CHECK(f.exchange()->start("DIGEST-MD5", nullptr).kind == StepKind::bad_mechanism);
  CHECK(f.exchange()->start("ANONYMOUS", nullptr).kind == StepKind::bad_mechanism);
  CHECK(f.exchange(false)->start("PLAIN", nullptr).kind == StepKind::bad_mechanism);
  CHECK(f.exchange()->start("", nullptr).kind == StepKind::bad_mechanism);
  CHECK(f.exchange()->start("PLAIN LOGIN", nullptr).kind == StepKind::bad_mechanism);
}

TEST_CASE("PLAIN with and without initial response, LOGIN in two questions") {
  Fixture f;
  const StepResult at_once = f.plain(plain_text("", "ann", "secret"));
  CHECK(at_once.kind == StepKind::success);
  CHECK(at_once.user == "ann");

  auto plain = f.exchange();
  REQUIRE(plain->start("plain", nullptr).kind == StepKind::challenge);
  CHECK(plain->next(plain_text("ann", "ann", "secret")).kind == StepKind::success);

  auto login = f.exchange();
  const StepResult question = login->start("LOGIN", nullptr);
  CHECK(question.kind == StepKind::challenge);
  CHECK(question.data == "Username:");
  CHECK(login->next("ann").data == "Password:");
  CHECK(login->next("secret").kind == StepKind::success);
}

TEST_CASE("wrong password, unknown user and foreign identity fail alike") {
  Fixture f;
  const StepResult wrong = f.plain(plain_text("", "ann", "Secret"));
  CHECK(wrong.kind == StepKind::failure);
  CHECK(wrong.user == "ann");
  CHECK(wrong.data.empty());
  const StepResult unknown = f.plain(plain_text("", "eve", "secret"));
  CHECK(unknown.kind == StepKind::failure);
  CHECK(unknown.user == "eve");
  CHECK(f.plain(plain_text("root", "ann", "secret")).kind == StepKind::failure);
  CHECK(f.plain(plain_text("", "ann", "")).kind == StepKind::failure);
}

TEST_CASE("a database that is away is no wrong password") {
  Fixture f;
  f.memory->broken = true;
  const StepResult step = f.plain(plain_text("", "ann", "secret"));
  CHECK(step.kind == StepKind::temporary);
  CHECK(step.reason == "database is away");
  Client client("ann", "secret");
  auto exchange = f.exchange();
  CHECK(client.against(*exchange, "SCRAM-SHA-256").kind == StepKind::temporary);
}

TEST_CASE("malformed responses end the exchange and nothing else") {
  Fixture f;
  for (const std::string& response :
       {std::string(), std::string("\0", 1), std::string("\0\0", 2), std::string("ann"),
        std::string("\0ann", 4), plain_text("", "ann", "secret") + std::string("\0x", 2),
        plain_text("", "ann\r\nx", "secret"), plain_text("", "\xff\xfe", "secret"),
        std::string(16 * 1024, 'a'), std::string(16 * 1024, '\0'),
        plain_text("", std::string(300, 'u'), "secret"), plain_text("", "ann", std::string(10'000, 'p'))}) {
    for (const char* mechanism : {"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"}) {
      auto exchange = f.exchange();
      StepResult step = exchange->start(mechanism, &response);
      for (int i = 0; i < 40 && step.kind == StepKind::challenge; ++i) step = exchange->next(response);
      CHECK(step.kind != StepKind::success);
      CHECK(step.kind != StepKind::challenge);
    }
  }
}

TEST_CASE("mechanisms that hide the password work where it or its proof is stored") {
  Fixture f;
  for (const std::string mechanism : {"CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"}) {
    INFO(mechanism);
    const auto result = [&](const std::string& user, const std::string& password) {
      Client client(user, password);
      auto exchange = f.exchange(false);
      return client.against(*exchange, mechanism);
    };
    const StepResult right = result("ann", "secret");
    INFO(right.reason);
    CHECK(right.kind == StepKind::success);
    CHECK(right.user == "ann");
    CHECK(result("ann", "wrong").kind == StepKind::failure);
    CHECK(result("eve", "secret").kind == StepKind::failure);
    CHECK(result("eve", "").kind == StepKind::failure);
    CHECK(result("hashed", "secret").kind == StepKind::failure);
    CHECK((result("user", "pencil").kind == StepKind::success) == (mechanism == "SCRAM-SHA-256"));
  }
}

TEST_CASE("SCRAM's first answer does not tell who exists") {
  Fixture f;
  const auto first = [&](const std::string& user) {
    auto exchange = f.exchange(false);
    const std::string hello = "n,,n=" + user + ",r=fyko+d2lbbFgONRv9qkxdawL";
    const StepResult step = exchange->start("SCRAM-SHA-256", &hello);
    REQUIRE(step.kind == StepKind::challenge);
    const std::size_t salt = step.data.find(",s=");
    REQUIRE(salt != std::string::npos);
    return step.data.substr(salt);
  };
  CHECK(first("eve") == first("eve"));
  CHECK(first("ann") == first("ann"));
  CHECK(first("eve") != first("mallory"));
  CHECK(first("eve").size() == first("ann").size());
}

TEST_CASE("exchanges that are begun and given up leave nothing, on several threads at once") {
  Fixture f;
  const auto work = [&f] {
    const std::string right = plain_text("", "ann", "secret");
    for (int i = 0; i < 200; ++i) {
      f.exchange()->start("LOGIN", nullptr);
      auto scram = f.exchange();
      const std::string hello = "n,,n=ann,r=abc";
      scram->start("SCRAM-SHA-256", &hello);
      if (f.exchange()->start("PLAIN", &right).kind != StepKind::success) std::abort();
    }
  };
  std::thread one(work), two(work);
  one.join();
  two.join();
  CHECK(f.plain(plain_text("", "ann", "secret")).kind == StepKind::success);
}
