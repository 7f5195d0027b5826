// The server side of SASL exchanges (RFC 4422) by Cyrus SASL, with users and passwords from an
// Authenticator: no saslauthd, no sasldb, no configuration file of Cyrus'.
//
// Cyrus keeps global state, so a process has one Mechanisms at a time. Exchanges are independent of each
// other; each is used by one thread at a time, not necessarily the same, and its calls block as long as
// a password hash takes. Responses are a stranger's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/sasl/authenticator.h"

struct sasl_conn;

namespace postrider::sasl {

class CallbackTable;

struct MechanismSettings {
  std::vector<std::string> wanted;  // names in order of preference, any case
  std::string host_name;            // for mechanisms that say it to the client
  std::string plugin_directory;     // "": Cyrus' own
};

enum class StepKind {
  challenge,      // `data` is for the client
  success,        // `data`: final data, may be empty; `user` is who it is
  failure,        // wrong user or password; `user` is who was tried
  temporary,      // could not be found out
  bad_mechanism,  // not offered
  malformed,      // the response does not follow the mechanism
};
struct StepResult {
  StepKind kind = StepKind::failure;
  std::string data, user, reason;
};

class Mechanisms {
 public:
  // Loads the plug-ins; before a sandbox. Mechanisms that Cyrus does not have are left out with a warning;
  // temporary when it has none of them.
  // All references outlive this object, which outlives its exchanges.
  static Result<std::unique_ptr<Mechanisms>> load(Authenticator& authenticator, Log& log,
                                                  const MechanismSettings& settings);
  ~Mechanisms();
  Mechanisms(const Mechanisms&) = delete;
  Mechanisms& operator=(const Mechanisms&) = delete;

  // Names, upper-case, in order of preference. Without `plaintext` those that send the password.
  std::vector<std::string> names(bool plaintext) const;

  Authenticator& authenticator() const { return authenticator_; }
  const std::string& host_name() const { return settings_.host_name; }
  const std::string& mechanism_list() const { return list_; }
  // What SCRAM tells of users who do not exist: always the same for one name.
  std::string salt_for_nobody(std::string_view name) const;

 private:
  Mechanisms(Authenticator& authenticator, Log& log, MechanismSettings settings);
  Result<> start();

  Authenticator& authenticator_;
  Log& log_;
  MechanismSettings settings_;
  std::string list_;
  std::string secret_;
  std::vector<std::string> names_;
  std::unique_ptr<CallbackTable> callbacks_;
  bool started_ = false;
};

class Exchange {
 public:
  // `service` as registered for SASL: "smtp", "pop", "imap".
  static Result<std::unique_ptr<Exchange>> make(const Mechanisms& mechanisms, const std::string& service,
                                                const std::string& client_address, bool plaintext);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // The first step. `initial` null: the client sent no initial response (an empty one is not null).
  StepResult start(const std::string& mechanism, const std::string* initial);
  // After a challenge.
  StepResult next(const std::string& response);

  // For the callbacks of Cyrus.
  int check_password(std::string_view user, std::string_view password);
  struct Secrets {
    bool known = false;
    std::string plaintext;  // "" when not stored
    std::string scram;      // RFC 5803's authPassword value, or ""
  };
  Secrets secrets_of(std::string_view user, std::string_view mechanism);
  std::string_view mechanism() const { return mechanism_; }

 private:
  Exchange(const Mechanisms& mechanisms, std::string client_address, bool plaintext);
  StepResult start_cyrus(const std::string& mechanism, const std::string* initial);
  StepResult login(const std::string* response);
  StepResult malformed() const;
  StepResult finish(int code, const char* data, unsigned size);

  const Mechanisms& mechanisms_;
  std::string client_address_;
  bool plaintext_;
  std::string mechanism_;
  std::unique_ptr<CallbackTable> callbacks_;
  sasl_conn* connection_ = nullptr;
  std::string tried_user_;
  std::string user_;  // as the database spells it
  std::string reason_;
  Verdict verdict_ = Verdict::mismatch;
  std::size_t steps_ = 0;
  bool login_asked_ = false;               // LOGIN: for the name
  std::optional<std::string> login_name_;  // the name, once it came
};

}  // namespace postrider::sasl
