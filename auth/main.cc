#include "auth/dovecot_session.h"
#include "auth/server.h"
#include "auth/start.h"

using namespace postrider;

int main(int argc, char** argv) {
  auth::AuthConfig config;
  config::Identity identity;
  daemon::Daemon daemon(argc, argv, auth::declaration);
  if (!daemon.start({&config, &identity})) return daemon.exit_status();
  auto users = auth::open_users(daemon, config);
  if (!users) return daemon.fatal(users.error());
  auto mechanisms = auth::load_mechanisms(daemon, config, identity, **users);
  if (!mechanisms) return daemon.fatal(mechanisms.error());
  auto callers = auth::allowed_callers(daemon);
  if (!callers) return daemon.fatal(callers.error());
  auth::Logins logins(daemon.loop(), **mechanisms, auth::login_settings(daemon, config), daemon.stop_token());
  if (!daemon.enter_sandbox()) return daemon.exit_status();
  if (config.protocol() == auth::Protocol::dovecot) return auth::serve_dovecot(daemon, logins);
  auth::Server server(daemon.loop(), daemon.log(), logins, std::move(*callers));
  return daemon.serve_requests(
      [&server](ipc::Call call, ipc::Frame frame) { return server.answer(call, std::move(frame)); },
      [&server](ipc::Channel& channel, ipc::Frame frame) {
        return server.converse(channel, std::move(frame));
      });
}
