#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>

#include <crypt.h>
#include <security/pam_appl.h>
#include <shadow.h>

#include "auth/system_checker.h"
#include "lib/base/text.h"
#include "lib/sasl/password_scheme.h"
#include "lib/tls/digest.h"

namespace postrider::auth {

namespace {

using sasl::Verdict;

struct Conversation {
  const std::string& user;
  const std::string& password;
};

// Answers PAM's questions: what is not shown is the password, what is shown the name.
int converse(int count, const pam_message** messages, pam_response** responses, void* context) {
  const auto& conversation = *static_cast<Conversation*>(context);
  if (count <= 0 || count > PAM_MAX_NUM_MSG) return PAM_CONV_ERR;
  // PAM frees what it is given.
  auto* answers =
      static_cast<pam_response*>(std::calloc(static_cast<std::size_t>(count), sizeof(pam_response)));
  if (!answers) return PAM_BUF_ERR;
  for (int i = 0; i < count; ++i) {
    if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF)
      answers[i].resp = ::strdup(conversation.password.c_str());
    if (messages[i]->msg_style == PAM_PROMPT_ECHO_ON) answers[i].resp = ::strdup(conversation.user.c_str());
  }
  *responses = answers;
  return PAM_SUCCESS;
}

// Failures are held back by auth itself, by client; here a delay would only occupy a thread.
void no_delay(int, unsigned, void*) {}

}  // namespace

SystemVerdict check_pam(const std::string& service, const std::string& user, const std::string& password) {
  if (password.find('\0') != std::string::npos) return {Verdict::mismatch, ""};
  Conversation conversation{user, password};
  const pam_conv with{converse, &conversation};
  pam_handle_t* handle = nullptr;
  int code = pam_start(service.c_str(), user.c_str(), &with, &handle);
  if (code != PAM_SUCCESS) return {Verdict::temporary, "PAM cannot be started"};
  pam_set_item(handle, PAM_FAIL_DELAY, reinterpret_cast<const void*>(no_delay));
  pam_set_item(handle, PAM_TTY, "postrider");
  code = pam_authenticate(handle, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
  if (code == PAM_SUCCESS) code = pam_acct_mgmt(handle, PAM_SILENT);
  const std::string text = pam_strerror(handle, code);
  pam_end(handle, code);
  switch (code) {
    case PAM_SUCCESS: return {Verdict::match, ""};
    case PAM_AUTH_ERR:
    case PAM_MAXTRIES:
    case PAM_CRED_INSUFFICIENT: return {Verdict::mismatch, text};
    case PAM_USER_UNKNOWN: return {Verdict::unknown_user, text};
    case PAM_ACCT_EXPIRED:
    case PAM_PERM_DENIED:
    case PAM_NEW_AUTHTOK_REQD: return {Verdict::disabled, text};
    default: return {Verdict::temporary, text};
  }
}

SystemVerdict check_shadow(const std::string& user, const std::string& password) {
  std::array<char, 8192> buffer{};
  spwd entry{};
  spwd* found = nullptr;
  if (::getspnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 && errno != ENOENT) {
    return {Verdict::temporary, "/etc/shadow cannot be read"};
  }
  if (!found) {
    [[maybe_unused]] const auto ignored = sasl::verify_password(sasl::nobodys_password(), password);
    return {Verdict::unknown_user, ""};
  }
  const Result<bool> right = sasl::verify_password(found->sp_pwdp, password);
  if (!right) return {Verdict::temporary, right.error().text()};
  if (!*right) return {Verdict::mismatch, ""};
  constexpr long seconds_per_day = 86400;
  const long today = ::time(nullptr) / seconds_per_day;
  if (found->sp_expire > 0 && today >= found->sp_expire) return {Verdict::disabled, "account expired"};
  return {Verdict::match, ""};
}

std::string typical_shadow_password() {
  std::string setting;
  ::setspent();
  while (const spwd* entry = ::getspent()) {
    const std::string_view hash = entry->sp_pwdp;
    if (hash.starts_with('$')) setting = hash;  // the last: accounts of people come after those of the system
  }
  ::endspent();
  if (setting.empty()) return sasl::nobodys_password();
  // The same setting, another password: the cost without the secret.
  const auto workspace = std::make_unique<crypt_data>();
  const std::string random = hex_encode(tls::random_bytes(32));
  const char* made = crypt_rn(random.c_str(), setting.c_str(), workspace.get(), sizeof(crypt_data));
  tls::wipe(setting);
  return made && made[0] == '$' ? std::string(made) : sasl::nobodys_password();
}

}  // namespace postrider::auth
