#include <algorithm>

#include <sasl/sasl.h>

#include "lib/base/text.h"
#include "lib/sasl/cyrus.h"
#include "lib/sasl/password_scheme.h"
#include "lib/sasl/server.h"
#include "lib/tls/digest.h"

namespace postrider::sasl {

namespace {

// No mechanism needs more; a client that goes on has no end in mind.
constexpr std::size_t max_steps = 12;
constexpr std::uint32_t scram_iterations = 4096;

// Cyrus loses memory over names that exceed its buffer of 1024 bytes, so longer responses than a name
// of ours needs do not get there.
constexpr std::size_t max_response = 1000;

// RFC 4616: [authorization] NUL name NUL password.
bool is_plain_message(std::string_view response) {
  const auto parts = split(response, '\0');
  return parts.size() == 3 && parts[0].size() <= 255 && parts[1].size() <= 255 &&
         parts[2].size() <= max_response;
}

bool is_acceptable(std::string_view mechanism, std::string_view response) {
  if (mechanism == "PLAIN") return is_plain_message(response);
  const bool named = mechanism.starts_with("SCRAM-") || mechanism.ends_with("-MD5");
  return !named || response.size() <= max_response;
}

int on_check(sasl_conn_t*, void* context, const char* user, const char* password, unsigned size, propctx*) {
  return static_cast<Exchange*>(context)->check_password(user, {password, size});
}

std::optional<tls::Hash> scram_hash(std::string_view mechanism) {
  if (mechanism == "SCRAM-SHA-1") return tls::Hash::sha1;
  if (mechanism == "SCRAM-SHA-256") return tls::Hash::sha256;
  if (mechanism == "SCRAM-SHA-512") return tls::Hash::sha512;
  return std::nullopt;
}

// RFC 5803 section 2.
std::string auth_password(std::string_view mechanism, const ScramSecret& secret) {
  return std::string(mechanism) + "$" + std::to_string(secret.iterations) + ":" + base64_encode(secret.salt) +
         "$" + base64_encode(secret.stored_key) + ":" + base64_encode(secret.server_key);
}

}  // namespace

Exchange::Exchange(const Mechanisms& mechanisms, std::string client_address, bool plaintext)
    : mechanisms_(mechanisms),
      client_address_(std::move(client_address)),
      plaintext_(plaintext),
      callbacks_(std::make_unique<CallbackTable>()) {}

Exchange::~Exchange() { sasl_dispose(&connection_); }

Result<std::unique_ptr<Exchange>> Exchange::make(const Mechanisms& mechanisms, const std::string& service,
                                                 const std::string& client_address, bool plaintext) {
  auto made = std::unique_ptr<Exchange>(new Exchange(mechanisms, client_address, plaintext));
  made->callbacks_->add(SASL_CB_SERVER_USERDB_CHECKPASS, on_check, made.get());
  int code = sasl_server_new(service.c_str(), mechanisms.host_name().c_str(), nullptr, nullptr, nullptr,
                             made->callbacks_->entries(), 0, &made->connection_);
  if (code == SASL_OK) {
    // No security layers: TLS is there for that.
    sasl_security_properties_t properties{};
    properties.security_flags = SASL_SEC_NOANONYMOUS;
    if (!plaintext) properties.security_flags |= SASL_SEC_NOPLAINTEXT;
    code = sasl_setprop(made->connection_, SASL_SEC_PROPS, &properties);
  }
  if (code != SASL_OK) {
    return fail(Trouble::temporary, std::string("Cyrus SASL: ") + sasl_errstring(code, nullptr, nullptr));
  }
  return made;
}

StepResult Exchange::start(const std::string& mechanism, const std::string* initial) {
  mechanism_ = upper(mechanism);
  const auto offered = mechanisms_.names(plaintext_);
  if (std::find(offered.begin(), offered.end(), mechanism_) == offered.end()) {
    return {StepKind::bad_mechanism, "", "", "mechanism " + mechanism_.substr(0, 40) + " is not offered"};
  }
  if (mechanism_ == "LOGIN") return login(initial);
  return start_cyrus(mechanism_, initial);
}

StepResult Exchange::start_cyrus(const std::string& mechanism, const std::string* initial) {
  if (initial && !is_acceptable(mechanism, *initial)) return malformed();
  const char* data = nullptr;
  unsigned size = 0;
  const int code = sasl_server_start(connection_, mechanism.c_str(), initial ? initial->data() : nullptr,
                                     initial ? static_cast<unsigned>(initial->size()) : 0, &data, &size);
  return finish(code, data, size);
}

StepResult Exchange::next(const std::string& response) {
  if (++steps_ > max_steps || !connection_) return {StepKind::malformed, "", tried_user_, "too many steps"};
  if (mechanism_ == "LOGIN") return login(&response);
  if (!is_acceptable(mechanism_, response)) return malformed();
  const char* data = nullptr;
  unsigned size = 0;
  const int code =
      sasl_server_step(connection_, response.data(), static_cast<unsigned>(response.size()), &data, &size);
  return finish(code, data, size);
}

// LOGIN is PLAIN in two questions, and asked as such: Cyrus' own loses memory over names that it
// cannot make a user of.
StepResult Exchange::login(const std::string* response) {
  if (!response || (response->empty() && !login_asked_)) {
    login_asked_ = true;
    return {StepKind::challenge, "Username:", "", ""};
  }
  if (response->find('\0') != std::string::npos) return malformed();
  if (!login_name_) {
    login_name_ = *response;
    return {StepKind::challenge, "Password:", "", ""};
  }
  std::string plain = std::string(1, '\0') + *login_name_ + '\0' + *response;
  login_name_.reset();
  StepResult result = start_cyrus("PLAIN", &plain);
  tls::wipe(plain);
  if (result.kind == StepKind::challenge) return malformed();
  return result;
}

StepResult Exchange::malformed() const {
  return {StepKind::malformed, "", tried_user_, "malformed response of mechanism " + mechanism_};
}

StepResult Exchange::finish(int code, const char* data, unsigned size) {
  StepResult result;
  if (data) result.data.assign(data, size);
  if (code == SASL_CONTINUE) {
    result.kind = StepKind::challenge;
    return result;
  }
  result.user = user_.empty() ? tried_user_ : user_;
  result.reason = reason_;
  if (code == SASL_OK && verdict_ == Verdict::match) {
    result.kind = StepKind::success;
    return result;
  }
  result.data.clear();
  if (verdict_ == Verdict::temporary || code == SASL_NOMEM || code == SASL_TRYAGAIN || code == SASL_UNAVAIL) {
    result.kind = StepKind::temporary;
  } else if (code == SASL_NOMECH && tried_user_.empty()) {
    result.kind = StepKind::bad_mechanism;
  } else if (code == SASL_BADPROT && reason_.empty()) {
    result.kind = StepKind::malformed;
  }
  if (result.reason.empty()) result.reason = sasl_errdetail(connection_);
  return result;
}

int Exchange::check_password(std::string_view user, std::string_view password) {
  const Authenticator::Checked checked = mechanisms_.authenticator().check(user, password, client_address_);
  tried_user_ = checked.user;
  verdict_ = checked.verdict;
  reason_ = checked.reason;
  if (verdict_ != Verdict::match) return verdict_ == Verdict::temporary ? SASL_UNAVAIL : SASL_BADAUTH;
  user_ = checked.user;
  return SASL_OK;
}

// Whether or not the user exists there is an answer, which takes as long and looks the same: a
// stranger learns nothing from the first step.
Exchange::Secrets Exchange::secrets_of(std::string_view user, std::string_view mechanism) {
  tried_user_ = std::string(user.substr(0, 255));
  Secrets secrets;
  std::optional<std::string> plaintext;
  std::optional<ScramSecret> stored;
  const auto hash = scram_hash(mechanism);
  const auto entry = mechanisms_.authenticator().find(user);
  if (!entry) {
    verdict_ = Verdict::temporary;
    reason_ = entry.error().text();
  } else if (!*entry) {
    verdict_ = Verdict::unknown_user;
    reason_ = "unknown user";
  } else {
    plaintext = plaintext_of((*entry)->password);
    stored = hash ? scram_secret_of((*entry)->password) : std::nullopt;
    if (stored && stored->hash != *hash) stored.reset();
    secrets.known = plaintext.has_value() || stored.has_value();
    verdict_ = secrets.known ? Verdict::match : Verdict::mismatch;  // match: if the client proves it
    if (!secrets.known) reason_ = "the stored password does not serve for " + std::string(mechanism);
    if (!Authenticator::admits(**entry, client_address_)) {
      verdict_ = Verdict::disabled;
      reason_ = "login not allowed";
    }
    user_ = (*entry)->name;
  }
  const std::string password = plaintext.value_or(hex_encode(tls::random_bytes(16)));
  if (!hash) {
    secrets.plaintext = password;
    return secrets;
  }
  const ScramSecret made =
      make_scram_secret(*hash, password, mechanisms_.salt_for_nobody(user), scram_iterations);
  secrets.scram = auth_password(mechanism, stored ? *stored : made);
  return secrets;
}

}  // namespace postrider::sasl
