#include <algorithm>
#include <cstring>
#include <mutex>

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "lib/base/text.h"
#include "lib/sasl/cyrus.h"
#include "lib/sasl/server.h"
#include "lib/tls/digest.h"

namespace postrider::sasl {

namespace {

// ---- options. No file is read: Cyrus is given no application name, and these answers.

int on_option(void* context, const char*, const char* option, const char** result, unsigned* size) {
  const auto* mechanisms = static_cast<const Mechanisms*>(context);
  const std::string_view name = option;
  const char* value = nullptr;
  if (name == "mech_list") value = mechanisms->mechanism_list().c_str();
  if (name == "pwcheck_method") value = "none";  // the checkpass callback is all there is
  if (name == "auxprop_plugin") value = auxprop_name;
  if (name == "auto_transition") value = "no";
  if (name == "reauth_timeout") value = "0";
  if (name == "log_level") value = "1";
  if (!value) return SASL_FAIL;
  *result = value;
  if (size) *size = static_cast<unsigned>(std::strlen(value));
  return SASL_OK;
}

// What Cyrus says on its own is about plug-ins and broken clients: for the curious.
int on_log(void* context, int level, const char* message) {
  if (level <= SASL_LOG_WARN && message) static_cast<Log*>(context)->debug("SASL: {}", message);
  return SASL_OK;
}

int on_path(void* context, const char** path) {
  *path = static_cast<const std::string*>(context)->c_str();
  return SASL_OK;
}

// ---- locks: exchanges run on several threads

void* mutex_new() { return new std::mutex; }
int mutex_lock(void* mutex) {
  static_cast<std::mutex*>(mutex)->lock();
  return 0;
}
int mutex_unlock(void* mutex) {
  static_cast<std::mutex*>(mutex)->unlock();
  return 0;
}
void mutex_free(void* mutex) { delete static_cast<std::mutex*>(mutex); }

// ---- secrets for mechanisms that do not send the password

int find_secrets(void*, sasl_server_params_t* parameters, unsigned flags, const char* user, unsigned size) {
  if ((flags & SASL_AUXPROP_AUTHZID) != 0) return SASL_OK;
  sasl_callback_ft procedure = nullptr;
  void* context = nullptr;
  if (parameters->utils->getcallback(parameters->utils->conn, SASL_CB_SERVER_USERDB_CHECKPASS, &procedure,
                                     &context) != SASL_OK) {
    return SASL_FAIL;
  }
  auto* exchange = static_cast<Exchange*>(context);
  const std::string_view mechanism = exchange->mechanism();
  if (mechanism == "PLAIN" || mechanism == "LOGIN") return SASL_OK;
  const Exchange::Secrets secrets = exchange->secrets_of({user, size}, mechanism);
  if (!secrets.scram.empty()) {
    return parameters->utils->prop_set(parameters->propctx, "*authPassword", secrets.scram.c_str(), -1);
  }
  return parameters->utils->prop_set(parameters->propctx, SASL_AUX_PASSWORD, secrets.plaintext.c_str(), -1);
}

int auxprop_init(const sasl_utils_t*, int, int* version, sasl_auxprop_plug_t** plug, const char*) {
  static char name[] = "postrider";
  static sasl_auxprop_plug_t plugin{.features = 0,
                                    .spare_int1 = 0,
                                    .glob_context = nullptr,
                                    .auxprop_free = nullptr,
                                    .auxprop_lookup = find_secrets,
                                    .name = name,
                                    .auxprop_store = nullptr};
  *version = SASL_AUXPROP_PLUG_VERSION;
  *plug = &plugin;
  return SASL_OK;
}

}  // namespace

Mechanisms::Mechanisms(Authenticator& authenticator, Log& log, MechanismSettings settings)
    : authenticator_(authenticator),
      log_(log),
      settings_(std::move(settings)),
      secret_(tls::random_bytes(32)) {}

Mechanisms::~Mechanisms() {
  if (started_) sasl_server_done();
}

Result<std::unique_ptr<Mechanisms>> Mechanisms::load(Authenticator& authenticator, Log& log,
                                                     const MechanismSettings& settings) {
  auto made = std::unique_ptr<Mechanisms>(new Mechanisms(authenticator, log, settings));
  if (const Result<> done = made->start(); !done) return fail(done.error());
  return made;
}

Result<> Mechanisms::start() {
  for (const std::string& name : settings_.wanted) {
    // LOGIN is made of PLAIN, see Exchange.
    const std::string needed = iequals(name, "LOGIN") ? "PLAIN" : upper(name);
    list_ += (list_.empty() ? "" : " ") + needed;
  }
  sasl_set_mutex(mutex_new, mutex_lock, mutex_unlock, mutex_free);
  callbacks_ = std::make_unique<CallbackTable>();
  callbacks_->add(SASL_CB_GETOPT, on_option, this);
  callbacks_->add(SASL_CB_LOG, on_log, &log_);
  if (!settings_.plugin_directory.empty())
    callbacks_->add(SASL_CB_GETPATH, on_path, &settings_.plugin_directory);
  if (const int code = sasl_server_init(callbacks_->entries(), nullptr); code != SASL_OK) {
    return fail(Trouble::temporary, std::string("Cyrus SASL: ") + sasl_errstring(code, nullptr, nullptr));
  }
  started_ = true;
  if (const int code = sasl_auxprop_add_plugin(auxprop_name, auxprop_init); code != SASL_OK) {
    return fail(Trouble::temporary, std::string("Cyrus SASL: ") + sasl_errstring(code, nullptr, nullptr));
  }
  const char** present = sasl_global_listmech();
  for (const std::string& wanted : settings_.wanted) {
    const std::string name = upper(wanted);
    const std::string needed = name == "LOGIN" ? "PLAIN" : name;
    const char** found = present;
    while (found && *found && needed != *found) ++found;
    if (!found || !*found) {
      log_.warning("SASL mechanism {} is not there; is its plug-in installed?", name);
    } else if (std::find(names_.begin(), names_.end(), name) == names_.end()) {
      names_.push_back(name);
    }
  }
  // The plug-ins may only have been out of reach for the moment.
  if (names_.empty() && !settings_.wanted.empty())
    return fail(Trouble::temporary, "no SASL mechanism of auth_mechanisms is there: " + list_);
  return {};
}

std::vector<std::string> Mechanisms::names(bool plaintext) const {
  std::vector<std::string> names;
  for (const std::string& name : names_) {
    if (plaintext || (name != "PLAIN" && name != "LOGIN")) names.push_back(name);
  }
  return names;
}

std::string Mechanisms::salt_for_nobody(std::string_view name) const {
  return tls::hmac(tls::Hash::sha256, secret_, lower(name)).substr(0, 16);
}

}  // namespace postrider::sasl
