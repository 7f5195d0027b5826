// Responses of a SASL client, as a stranger would have them. The first byte chooses the mechanism, the
// second whether there is an initial response; responses follow, each with its length in front.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "lib/base/log.h"
#include "lib/sasl/server.h"

namespace {

using namespace postrider;

class Users final : public sasl::UserDatabase {
 public:
  std::string_view label() const override { return "fuzz"; }
  Result<std::optional<sasl::UserEntry>> find(const std::string& name) override {
    if (!sasl::is_user_name(name)) __builtin_trap();
    if (name != "ann") return std::nullopt;
    sasl::UserEntry user;
    user.name = name;
    user.password = "{PLAIN}pencil";
    return user;
  }
  sasl::Verdict check(const sasl::UserEntry&, std::string_view password, std::string&) override {
    return password == "pencil" ? sasl::Verdict::match : sasl::Verdict::mismatch;
  }
  std::string typical_password() override { return "{PLAIN}x"; }
};

const sasl::Mechanisms& mechanisms() {
  static MemoryLog log;
  static sasl::Authenticator users = [] {
    std::vector<std::unique_ptr<sasl::UserDatabase>> databases;
    databases.push_back(std::make_unique<Users>());
    return sasl::Authenticator(log, std::move(databases));
  }();
  static const auto loaded = sasl::Mechanisms::load(
      users, log,
      {.wanted = {"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"},
       .host_name = "mail.example.org",
       .plugin_directory = ""});
  if (!loaded) __builtin_trap();
  return **loaded;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto names = mechanisms().names(true);
  auto exchange = sasl::Exchange::make(mechanisms(), "imap", "192.0.2.1", true);
  if (!exchange) return 0;
  std::size_t at = 2;
  const auto take = [&] {
    std::size_t length = 0;
    if (size - at >= 2) {
      length = static_cast<std::size_t>(data[at]) << 8 | data[at + 1];
      at += 2;
    }
    length = std::min(length, size - at);
    std::string response(data + at, data + at + length);
    at += length;
    return response;
  };
  const std::string initial = data[1] % 2 ? take() : std::string();
  sasl::StepResult step = (*exchange)->start(names[data[0] % names.size()], data[1] % 2 ? &initial : nullptr);
  for (int i = 0; i < 20 && step.kind == sasl::StepKind::challenge; ++i) step = (*exchange)->next(take());
  if (step.kind == sasl::StepKind::challenge) __builtin_trap();
  if (step.kind == sasl::StepKind::success && step.user != "ann") __builtin_trap();
  return 0;
}
