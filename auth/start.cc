#include "auth/start.h"

#include <unistd.h>

#include "auth/dovecot_session.h"
#include "auth/system_checker.h"
#include "lib/os/credentials.h"
#include "lib/os/files.h"
#include "lib/sasl/passwd_file.h"

namespace postrider::auth {

const daemon::Declaration declaration{
    .name = "auth",
    .run_as = daemon::RunAs::keys,
    .allowed = {os::Allow::accept, os::Allow::threads, os::Allow::files, os::Allow::connect_unix},
    .stays = true,
    .help = "verifies passwords, and knows users"};

namespace {

using Database = std::unique_ptr<sasl::UserDatabase>;

constexpr std::string_view file_prefix = "passwd-file:";

// Null when the database does not serve here, which was logged.
Result<Database> open_system(daemon::Daemon& daemon, const AuthConfig& config, bool pam) {
  if (!daemon.as_root()) {
    daemon.log().info("system accounts cannot log in: verifying their passwords needs root");
    return nullptr;
  }
  SystemChecker::Check check = check_shadow;
  if (pam) {
    check = [service = config.pam_service()](const std::string& user, const std::string& password) {
      return check_pam(service, user, password);
    };
  }
  auto checker =
      SystemChecker::start(std::move(check), static_cast<std::size_t>(config.worker_threads()),
                           [&daemon](std::vector<int> keep) { daemon.keep_only(std::move(keep)); });
  if (!checker) return fail(checker.error());
  return std::make_unique<SystemDatabase>(std::move(*checker), pam ? "pam" : "shadow",
                                          static_cast<uid_t>(config.system_minimum_uid()),
                                          typical_shadow_password());
}

Result<Database> open_database(daemon::Daemon& daemon, const AuthConfig& config, const std::string& name) {
  if (name == "system") return open_system(daemon, config, false);
  if (name == "pam") return open_system(daemon, config, true);
  if (!name.starts_with(file_prefix)) {
    return fail(Trouble::configuration,
                "parameter auth_databases: \"" + name + "\" is not one of passwd-file:/file, system, pam");
  }
  const std::string path = name.substr(file_prefix.size());
  auto file = sasl::PasswdFile::open(daemon.files(), daemon.clock(), daemon.log(), path);
  if (file) return std::move(*file);
  if (file.error().is(Trouble::not_found)) {
    daemon.log().info("{} does not exist: no users from there", path);
  } else {
    daemon.log().error("{}", file.error().text());
  }
  return nullptr;
}

Result<sasl::UserDefaults> user_defaults(const AuthConfig& config) {
  sasl::UserDefaults defaults;
  defaults.realm = config.realm();
  defaults.home = config.default_home();
  defaults.mail = config.default_mail();
  if (const std::string& text = config.default_uid(); !text.empty()) {
    defaults.uid = parse_number<uid_t>(text);
    if (!defaults.uid) {
      const auto user = os::find_user(text);
      if (!user || !*user)
        return fail(Trouble::configuration, "parameter auth_default_uid: no account " + text);
      defaults.uid = (*user)->uid;
      defaults.gid = (*user)->gid;
    }
  }
  if (const std::string& text = config.default_gid(); !text.empty()) {
    defaults.gid = parse_number<gid_t>(text);
    if (!defaults.gid) {
      const auto group = os::find_group(text);
      if (!group || !*group)
        return fail(Trouble::configuration, "parameter auth_default_gid: no group " + text);
      defaults.gid = **group;
    }
  }
  return defaults;
}

}  // namespace

Result<std::unique_ptr<sasl::Authenticator>> open_users(daemon::Daemon& daemon, const AuthConfig& config) {
  auto defaults = user_defaults(config);
  if (!defaults) return fail(defaults.error());
  std::vector<Database> databases;
  for (const std::string& name : config.databases()) {
    auto database = open_database(daemon, config, name);
    if (!database) return fail(database.error());
    if (*database) databases.push_back(std::move(*database));
  }
  if (databases.empty()) daemon.log().warning("no user database could be opened: nobody can log in");
  return std::make_unique<sasl::Authenticator>(daemon.log(), std::move(databases), std::move(*defaults));
}

Result<std::unique_ptr<sasl::Mechanisms>> load_mechanisms(daemon::Daemon& daemon, const AuthConfig& config,
                                                          const config::Identity& identity,
                                                          sasl::Authenticator& users) {
  return sasl::Mechanisms::load(
      users, daemon.log(),
      {.wanted = config.mechanisms(), .host_name = identity.myhostname(), .plugin_directory = ""});
}

LoginSettings login_settings(const daemon::Daemon& daemon, const AuthConfig& config) {
  LoginSettings settings;
  settings.threads = static_cast<std::size_t>(config.worker_threads());
  settings.queue_limit = static_cast<std::size_t>(config.queue_limit());
  settings.failure_delay = config.failure_delay();
  settings.failure_delay_limit = config.failure_delay_limit();
  const auto options = daemon.values().text("smtpd_sasl_security_options");
  settings.smtp_cleartext = !options || options->find("noplaintext") == std::string::npos;
  return settings;
}

Result<Callers> allowed_callers(const daemon::Daemon& daemon) {
  Callers callers{{::geteuid()}, {::geteuid()}, !daemon.as_root()};
  if (!daemon.as_root()) return callers;
  const auto network = os::find_user(daemon.paths().network_owner());
  if (!network) return fail(network.error());
  if (!*network) {
    return fail(Trouble::configuration,
                "parameter network_owner: there is no user \"" + daemon.paths().network_owner() + "\"");
  }
  callers.servers.push_back((*network)->uid);
  return callers;
}

int serve_dovecot(daemon::Daemon& daemon, Logins& logins) {
  constexpr std::size_t most_clients = 10'000;
  std::uint32_t connections = 0;
  const auto serve = [](daemon::Daemon& self, Logins& shared, os::Fd client,
                        std::uint32_t number) -> event::Task<> {
    DovecotSession session(self.loop(), shared, std::move(client), number, self.drain_token());
    co_await session.run();
  };
  return daemon.serve_streams(
      [&](os::Fd client) { return serve(daemon, logins, std::move(client), ++connections); }, most_clients);
}

}  // namespace postrider::auth
